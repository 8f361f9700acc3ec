"""The operations on batches, and on many checks at once."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.answers import BATCHES, CHECKS
from services.gateway.batches.forms import FILE
from services.gateway.batches.inputs import (
    BatchInput,
    BatchListInput,
    ExportInput,
    LineListInput,
    RetryInput,
    UploadInput,
)
from services.gateway.batches.views import BatchList, BatchView, LineList, RetriedView
from services.gateway.openapi import examples, schemas
from services.gateway.openapi.answers import Answer
from services.gateway.openapi.operation import OF_CHANGES, OF_READING, Body, Operation, with_id

_BATCH: Final = f"{BATCHES}/{{id}}"
_TEXT: Final[dict[str, Any]] = {}  # what stands in a text can't be said by a schema
_TO_ITS_PARTS: Final = {
    name: with_id(name, "id")
    for name in (
        *("getBatch", "listLines", "exportBatch", "pauseBatch", "resumeBatch", "cancelBatch", "retryBatch"),
        "deleteBatch",
    )
}


def _form() -> dict[str, Any]:
    """The fields of a form: a file, and the options."""
    file = {"type": "string", "format": "binary", "description": "A .csv, .txt or .ndjson file, or a .zip of them."}
    return {"type": "object", "required": [FILE], "properties": {FILE: file, **schemas.properties(UploadInput)}}


OPERATIONS: Final = (
    Operation(
        method="post",
        path=f"{CHECKS}/retry",
        id="retryChecks",
        tag="Checks",
        summary="Begin many checks anew",
        description=(
            "All that failed (or with `status=cancelled` all that were cancelled) to which every filter applies. The "
            "filters are those of the list, as query parameters or as the fields of a JSON object; what fails after "
            "the answer is not meant."
        ),
        query=RetryInput,
        bodies=(Body(of=RetryInput, examples={"of a host": {"host": "example.org", "error": "http_error"}}),),
        body_required=False,
        answers=(
            Answer(
                status=202,
                description=(
                    "It is committed, and the checks follow by and by. `retried` is how many have begun anew so far; "
                    "where all had within two seconds, `finished` is true."
                ),
                of=RetriedView,
                examples={"a few": examples.RETRIED},
            ),
        ),
        problems=OF_CHANGES,
    ),
    Operation(
        method="post",
        path=BATCHES,
        id="createBatch",
        tag="Batches",
        summary="Count words on many pages",
        description=(
            "Once the answer is there, every line of the upload is committed: each will end in exactly one state. "
            "Lines that are wrong, and those that ask for the same as an earlier one, are kept and counted, too.\n\n"
            "NDJSON has the fields of a check on each line. CSV has a column `url` (the first one if there is no "
            "header) and may have `words` (with `;` between them) and `label`; plain text has one address on each "
            "line. Options are query parameters; a form may have them as fields, and a JSON object has them itself, "
            "which both go before those.\n\nThe `Idempotency-Key` is bound when the upload is complete: the same key "
            "with lines and options that mean the same gives the same batch. An upload that breaks off leaves a "
            "cancelled batch that says how far it got."
        ),
        parameters=("Idempotency-Key",),
        query=UploadInput,
        bodies=(
            Body(of=BatchInput, examples={"two pages": examples.NEW_BATCH}),
            Body(of=_TEXT, media_type="application/x-ndjson", examples={"two pages": examples.NDJSON}),
            Body(of=_TEXT, media_type="text/csv", examples={"two pages": examples.CSV}),
            Body(of=_TEXT, media_type="text/plain", examples={"two pages": examples.TEXT}),
            Body(of=_form(), media_type="multipart/form-data"),
        ),
        answers=(
            Answer(
                status=200,
                description="The `Idempotency-Key` names a batch that has ended.",
                of=BatchView,
                headers=("Location",),
                examples={"finished": examples.FINISHED_BATCH},
                links=_TO_ITS_PARTS,
            ),
            Answer(
                status=202,
                description="The batch is committed.",
                of=BatchView,
                headers=("Location",),
                examples={"running": examples.RUNNING_BATCH},
                links=_TO_ITS_PARTS,
            ),
        ),
        problems=(
            *OF_CHANGES,
            *("invalid_idempotency_key", "idempotency_key_reused", "empty_batch", "invalid_upload", "not_found"),
            *("not_receiving", "upload_interrupted", "too_many_uploads"),
        ),
    ),
    Operation(
        method="get",
        path=BATCHES,
        id="listBatches",
        tag="Batches",
        summary="Find batches",
        description="The newest first, page by page.",
        query=BatchListInput,
        answers=(
            Answer(
                status=200,
                description='A page of the list. `Link: <…>; rel="next"` has the address of the next, if there is one.',
                of=BatchList,
                headers=("Link",),
                examples={"last page": examples.BATCHES},
                links={"newestBatch": with_id("getBatch", "items/0/id")},
            ),
        ),
        problems=OF_READING,
    ),
    Operation(
        method="get",
        path=_BATCH,
        id="getBatch",
        tag="Batches",
        summary="See how far a batch is",
        description="Its lines by state, its pace, and what became of them, all as of one moment.",
        parameters=("batchId",),
        answers=(
            Answer(
                status=200,
                description="The batch.",
                of=BatchView,
                examples={"running": examples.RUNNING_BATCH, "finished": examples.FINISHED_BATCH},
            ),
        ),
        problems=(*OF_READING, "not_found"),
    ),
    Operation(
        method="delete",
        path=_BATCH,
        id="deleteBatch",
        tag="Batches",
        summary="Delete a batch",
        description="In any state, with its lines and all their checks. Its `Idempotency-Key` is free again.",
        parameters=("batchId",),
        answers=(Answer(status=204, description="Nobody sees it any more; its rows go by and by."),),
        problems=(*OF_CHANGES, "not_found"),
    ),
    Operation(
        method="get",
        path=f"{_BATCH}/lines",
        id="listLines",
        tag="Batches",
        summary="See what became of each line",
        description="In the order of the upload, page by page; of one state, if that is asked for.",
        parameters=("batchId",),
        query=LineListInput,
        answers=(
            Answer(
                status=200,
                description='A page of the lines. `Link: <…>; rel="next"` has the address of the next, if any.',
                of=LineList,
                headers=("Link",),
                examples={"last page": examples.LINES},
            ),
        ),
        problems=(*OF_READING, "not_found"),
    ),
    Operation(
        method="get",
        path=f"{_BATCH}/export",
        id="exportBatch",
        tag="Batches",
        summary="Take all results along",
        description=(
            "Every line in the order of the upload with what became of it; a duplicate has the counts of the first "
            "line like it. CSV has a column for each of the batch's first 100 words, and all counts as JSON in the "
            "last one; a text that a spreadsheet would take for a formula has a `'` in front. NDJSON has a JSON object "
            "for each line, with texts as they are."
        ),
        parameters=("batchId",),
        query=ExportInput,
        answers=(
            Answer(
                status=200,
                description="The file. One that breaks off is not all of it.",
                texts=("text/csv", "application/x-ndjson"),
                headers=("Content-Disposition",),
            ),
        ),
        problems=(*OF_READING, "not_found"),
    ),
    Operation(
        method="post",
        path=f"{_BATCH}/pause",
        id="pauseBatch",
        tag="Batches",
        summary="Pause a batch",
        description="Nothing more of it begins. What has begun ends.",
        parameters=("batchId",),
        answers=(Answer(status=200, description="The batch, paused now or before.", of=BatchView),),
        problems=(*OF_CHANGES, "not_found", "still_receiving", "already_finished"),
    ),
    Operation(
        method="post",
        path=f"{_BATCH}/resume",
        id="resumeBatch",
        tag="Batches",
        summary="Let a paused batch go on",
        description="From where it was.",
        parameters=("batchId",),
        answers=(Answer(status=200, description="The batch, which runs.", of=BatchView),),
        problems=(*OF_CHANGES, "not_found", "still_receiving", "already_finished"),
    ),
    Operation(
        method="post",
        path=f"{_BATCH}/cancel",
        id="cancelBatch",
        tag="Batches",
        summary="Give a batch up",
        description=(
            "Also while its upload is under way, which that ends. Pages that are being fetched are fetched to the end, "
            "and not counted. A cancelled batch can be retried only where something had failed."
        ),
        parameters=("batchId",),
        answers=(
            Answer(
                status=200,
                description="The batch, cancelled now or before; its lines follow by and by.",
                of=BatchView,
            ),
        ),
        problems=(*OF_CHANGES, "not_found", "already_finished"),
    ),
    Operation(
        method="post",
        path=f"{_BATCH}/retry",
        id="retryBatch",
        tag="Batches",
        summary="Begin its failed lines anew",
        description="Each failed line gets a new run, with as many attempts as the first.",
        parameters=("batchId",),
        answers=(
            Answer(
                status=202,
                description="It is committed; the lines follow by and by.",
                of=BatchView,
                headers=("Location",),
            ),
        ),
        problems=(*OF_CHANGES, "not_found", "still_receiving", "not_retryable"),
    ),
)

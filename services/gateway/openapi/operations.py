"""Every operation of the API."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.answers import API, CHECKS
from services.gateway.events.asking import EventsInput
from services.gateway.events.views import Event
from services.gateway.inputs import CheckInput, ListInput
from services.gateway.openapi import batch_operations, examples
from services.gateway.openapi.answers import Answer
from services.gateway.openapi.operation import OF_CHANGES, OF_READING, Body, Operation, with_id
from services.gateway.stats import Stats
from services.gateway.views import AttemptList, CheckList, CheckView, VersionView

_TO_ITS_PARTS: Final = {
    name: with_id(name, "id") for name in ("getCheck", "listAttempts", "cancelCheck", "retryCheck", "deleteCheck")
}
_SUBMITTED: Final = ("Location", "Preference-Applied")

OPERATIONS: Final = (
    Operation(
        method="post",
        path=CHECKS,
        id="createCheck",
        tag="Checks",
        summary="Count words on a page",
        description=(
            "Once the answer is there, the check is committed: it will end, whatever is killed meanwhile. With "
            "`Prefer: wait=30`, the answer waits for that end.\n\nWithout an `Idempotency-Key`, the same request twice "
            "is two checks. With one, it is one, whichever gateway is asked and however often. Requests are the same "
            "when they mean the same, with the defaults applied; `Prefer` is not part of that."
        ),
        parameters=("Prefer", "Idempotency-Key"),
        bodies=(Body(of=CheckInput, examples={"shortest": examples.SHORTEST_NEW_CHECK, "usual": examples.NEW_CHECK}),),
        answers=(
            Answer(
                status=200,
                description=(
                    "The check has ended: it was waited for, or the `Idempotency-Key` names one that had ended before."
                ),
                of=CheckView,
                headers=_SUBMITTED,
                examples={"done": examples.DONE, "failed": examples.FAILED},
                links=_TO_ITS_PARTS,
            ),
            Answer(
                status=202,
                description="The check is committed, and has not ended.",
                of=CheckView,
                headers=_SUBMITTED,
                examples={"queued": examples.QUEUED},
                links=_TO_ITS_PARTS,
            ),
        ),
        problems=(*OF_CHANGES, "invalid_idempotency_key", "idempotency_key_reused", "invalid_url", "not_found"),
    ),
    Operation(
        method="get",
        path=CHECKS,
        id="listChecks",
        tag="Checks",
        summary="Find checks",
        description=(
            "The newest first, page by page: what was there when the first page was read comes exactly once, whatever "
            "is added meanwhile. All filters that are given have to apply; each may be given once."
        ),
        query=ListInput,
        answers=(
            Answer(
                status=200,
                description='A page of the list. `Link: <…>; rel="next"` has the address of the next, if there is one.',
                of=CheckList,
                headers=("Link",),
                examples={"last page": examples.LIST},
                links={
                    "nextPage": {"operationId": "listChecks", "parameters": {"cursor": "$response.body#/next_cursor"}},
                    "newest": with_id("getCheck", "items/0/id"),
                },
            ),
        ),
        problems=OF_READING,
    ),
    Operation(
        method="get",
        path=f"{CHECKS}/{{id}}",
        id="getCheck",
        tag="Checks",
        summary="Look at a check",
        description="All that is known of it now.",
        parameters=("id",),
        answers=(
            Answer(
                status=200,
                description="The check. Unless its `status` is final, it changes by itself.",
                of=CheckView,
                examples={
                    "queued": examples.QUEUED,
                    "done": examples.DONE,
                    "failed": examples.FAILED,
                    "cancelled": examples.CANCELLED,
                },
            ),
        ),
        problems=(*OF_READING, "not_found"),
    ),
    Operation(
        method="delete",
        path=f"{CHECKS}/{{id}}",
        id="deleteCheck",
        tag="Checks",
        summary="Delete a check",
        description="In any state, with its history. Its `Idempotency-Key` is free again.",
        parameters=("id",),
        answers=(Answer(status=204, description="It is gone."),),
        problems=(*OF_CHANGES, "not_found"),
    ),
    Operation(
        method="get",
        path=f"{CHECKS}/{{id}}/attempts",
        id="listAttempts",
        tag="Checks",
        summary="See how a check went",
        description="Every attempt that has ended, of all runs. Numbers of attempts may have gaps.",
        parameters=("id",),
        answers=(
            Answer(
                status=200,
                description="The attempts, the oldest first; none while the first is under way.",
                of=AttemptList,
                examples={"the second counted": examples.ATTEMPTS},
            ),
        ),
        problems=(*OF_READING, "not_found"),
    ),
    Operation(
        method="post",
        path=f"{CHECKS}/{{id}}/cancel",
        id="cancelCheck",
        tag="Checks",
        summary="Give a check up",
        description="A page that is being fetched is fetched to the end, and not counted. A cancelled check stays so.",
        parameters=("id",),
        answers=(
            Answer(
                status=200,
                description="The check, cancelled now or before.",
                of=CheckView,
                examples={"cancelled": examples.CANCELLED},
            ),
        ),
        problems=(*OF_CHANGES, "not_found", "already_finished"),
    ),
    Operation(
        method="post",
        path=f"{CHECKS}/{{id}}/retry",
        id="retryCheck",
        tag="Checks",
        summary="Begin a check anew",
        description="Only one that failed or was cancelled: it gets a new run, with as many attempts as the first.",
        parameters=("id", "Prefer"),
        answers=(
            Answer(
                status=200,
                description="The new run was waited for, and has ended.",
                of=CheckView,
                headers=_SUBMITTED,
                examples={"done": examples.DONE},
            ),
            Answer(
                status=202,
                description="The new run is committed, and has not ended.",
                of=CheckView,
                headers=_SUBMITTED,
                examples={"queued": examples.QUEUED},
            ),
        ),
        problems=(*OF_CHANGES, "not_found", "not_retryable"),
    ),
    *batch_operations.OPERATIONS,
    Operation(
        method="get",
        path=f"{API}/stats",
        id="getStats",
        tag="Service",
        summary="See how all is going",
        description="Checks, queues, fetchers, and the hosts with most to do.",
        answers=(
            Answer(status=200, description="The state of the whole.", of=Stats, examples={"busy": examples.STATS}),
        ),
        problems=OF_READING,
    ),
    Operation(
        method="get",
        path=f"{API}/events",
        id="followEvents",
        tag="Service",
        summary="Follow what changes",
        description=(
            "An event stream (WHATWG HTML §9.2) that does not end by itself. It begins with a `snapshot`; then an "
            "`update` at most every 0.5 s tells what has changed since, with the present state of each. The data of "
            "both are the JSON of `Event`. A comment every 15 s keeps the connection open.\n\nWith the id of the "
            "last event in `Last-Event-ID`, it goes on from there, at whichever gateway: with what has changed since, "
            "or with a snapshot where that was too long ago. Something may be told twice, and nothing is left out. A "
            "snapshot may also come later on, where more changes than can be told: begin anew with it."
        ),
        parameters=("Last-Event-ID",),
        query=EventsInput,
        answers=(Answer(status=200, description="The stream.", texts=("text/event-stream",), holding=Event),),
        problems=(*OF_READING, "not_found", "too_many_waiting"),
    ),
    Operation(
        method="get",
        path=f"{API}/version",
        id="getVersion",
        tag="Service",
        summary="See what runs here",
        description="Also where this description and its pages are, as links.",
        answers=(
            Answer(
                status=200,
                description="The versions.",
                of=VersionView,
                headers=("Link",),
                examples={"this release": examples.VERSIONS},
            ),
        ),
    ),
    Operation(
        method="get",
        path=f"{API}/openapi.json",
        id="getDescription",
        tag="Service",
        summary="Read this description",
        description="The same until the gateway is updated.",
        parameters=("If-None-Match",),
        answers=(
            Answer(status=200, description="OpenAPI 3.1, as JSON.", of=Any, headers=("ETag",)),
            Answer(status=304, description="What you have is still right.", headers=("ETag",)),
        ),
    ),
)

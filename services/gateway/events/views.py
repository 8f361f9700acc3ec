"""What an event says: from rows of the database to what stands in the JSON. Pure."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.gateway.batches.views import BatchStatus, progress_of
from services.gateway.stats import Stats
from services.gateway.views import Count, Row
from shared.errors import error_of
from shared.ids import batch_of
from shared.messages import Status

Deleted = Literal["deleted"]


class CheckNews(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a check; `GET /checks/{id}` tells the rest. Of one that was deleted, nothing else is told."""

    id: UUID
    status: Annotated[Status | Deleted, Meta(description="As in `Check`; or `deleted`.")]
    batch_id: Annotated[UUID | None, Meta(description="The batch that it is of.")] | UnsetType = UNSET
    attempts: Count | UnsetType = UNSET
    total: Annotated[Count | None, Meta(description="The sum of all counts, once it is done.")] | UnsetType = UNSET
    error: Annotated[str | None, Meta(description="Code of the error, once it has failed.")] | UnsetType = UNSET


class BatchNews(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is, as in `Batch`; `GET /batches/{id}` tells the rest. Of a deleted one, nothing else is told."""

    id: UUID
    status: Annotated[BatchStatus | Deleted, Meta(description="As in `Batch`; or `deleted`.")]
    label: str | UnsetType | None = UNSET
    total: Count | UnsetType = UNSET
    queued: Count | UnsetType = UNSET
    running: Count | UnsetType = UNSET
    done: Count | UnsetType = UNSET
    failed: Count | UnsetType = UNSET
    cancelled: Count | UnsetType = UNSET
    duplicates: Count | UnsetType = UNSET
    invalid: Count | UnsetType = UNSET
    percent: Annotated[float, Meta(ge=0, le=100)] | UnsetType = UNSET
    rate_per_s: float | UnsetType | None = UNSET
    eta_s: Count | UnsetType | None = UNSET


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The data of an event: of a snapshot what there is, of an update what has changed."""

    checks: Annotated[list[CheckNews], Meta(description="In a snapshot: the newest 50, or the one that was asked for.")]
    batches: Annotated[
        list[BatchNews], Meta(description="In a snapshot: the newest 20, or the one that was asked for.")
    ]
    stats: Annotated[Stats | None, Meta(description="As of `GET /stats`; null where they can't be told now.")]


def check_news(row: Row) -> CheckNews:
    """Makes the news of a row of `queries.STATES`."""
    code = row["error_code"]
    return CheckNews(
        id=row["id"],
        batch_id=batch_of(row["id"]) if row["bulk"] else None,
        status=row["status"],
        attempts=row["attempts"],
        total=row["total"] if row["status"] == "done" else None,
        error=None if code is None or row["status"] != "failed" else error_of(code).code,
    )


def batch_news(row: Row) -> BatchNews:
    """Makes the news of a row of `queries.BATCHES`."""
    return BatchNews(**progress_of(row))

"""What callers ask of batches, validated: pure functions from what came in to what is meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.gateway.batches.inputs import (
    BATCH_STATUSES,
    EXPORT_FORMATS,
    LINE_STATES,
    BatchListInput,
    ExportFormat,
    ExportInput,
    LineListInput,
    PageLimit,
)
from services.gateway.batches.queries import LineState
from services.gateway.batches.views import BatchStatus
from services.gateway.fields import one_of, text, whole_number
from services.gateway.inputs import DEFAULT_LIMIT, FilterLabel
from services.gateway.requests import parameters

_WHAT: Final = "query parameter"
Query = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchesAsked:
    """A page of the list of batches: of which state and label (None: any), how many, and after which one."""

    status: BatchStatus | None = None
    label: str | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesAsked:
    """A page of the lines of a batch: in which state (None: any), how many, and after which one."""

    state: LineState | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


def batches_asked(query: Query) -> BatchesAsked:
    """Validates the query parameters of `GET /batches`.

    Raises:
        Problem: `invalid_request` with every invalid or unknown parameter.
    """
    fields = parameters(query)
    status = fields.read("status", one_of(BATCH_STATUSES), None)
    label = fields.read("label", text(FilterLabel), None)
    limit = fields.read("limit", whole_number(PageLimit), DEFAULT_LIMIT)
    cursor = fields.read("cursor", str, None)
    fields.refuse_unknown(BatchListInput.__struct_fields__, what=_WHAT)
    fields.check()
    return BatchesAsked(status=status, label=label, limit=limit, cursor=cursor)


def lines_asked(query: Query) -> LinesAsked:
    """Validates the query parameters of `GET /batches/{id}/lines`.

    Raises:
        Problem: `invalid_request` with every invalid or unknown parameter.
    """
    fields = parameters(query)
    state = fields.read("state", one_of(LINE_STATES), None)
    limit = fields.read("limit", whole_number(PageLimit), DEFAULT_LIMIT)
    cursor = fields.read("cursor", str, None)
    fields.refuse_unknown(LineListInput.__struct_fields__, what=_WHAT)
    fields.check()
    return LinesAsked(state=state, limit=limit, cursor=cursor)


def export_asked(query: Query) -> ExportFormat:
    """Validates the query parameters of `GET /batches/{id}/export`.

    Raises:
        Problem: `invalid_request` with every invalid or unknown parameter.
    """
    fields = parameters(query)
    found = fields.read("format", one_of(EXPORT_FORMATS), ExportInput().format)
    fields.refuse_unknown(ExportInput.__struct_fields__, what=_WHAT)
    fields.check()
    return found

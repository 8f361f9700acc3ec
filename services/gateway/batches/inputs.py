"""What callers may send about batches, as types: names, limits, defaults and what each is for; see `gateway.inputs`."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.gateway.batches.queries import LineState
from services.gateway.batches.views import BatchStatus
from services.gateway.inputs import (
    DEFAULT_LIMIT,
    DEFAULT_WORDS,
    Cursor,
    FilterInput,
    FilterLabel,
    LabelText,
    ScopeOf,
    Words,
)

BATCH_STATUSES: Final[tuple[BatchStatus, ...]] = typing.get_args(BatchStatus)
LINE_STATES: Final[tuple[LineState, ...]] = typing.get_args(LineState)
ExportFormat = Literal["csv", "ndjson"]
EXPORT_FORMATS: Final[tuple[ExportFormat, ...]] = typing.get_args(ExportFormat)
RetriedStatus = Literal["failed", "cancelled"]
RETRIED: Final[tuple[RetriedStatus, ...]] = typing.get_args(RetriedStatus)

PageLimit = Annotated[int, Meta(ge=1, le=500, description="How many a page of the list has at most.")]


class BatchListInput(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of batches."""

    status: Annotated[BatchStatus, Meta(description="State of the batch.")] | UnsetType = UNSET
    label: FilterLabel | UnsetType = UNSET
    limit: PageLimit = DEFAULT_LIMIT
    cursor: Cursor | UnsetType = UNSET


class LineListInput(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the lines of a batch."""

    state: Annotated[LineState, Meta(description="State of the line.")] | UnsetType = UNSET
    limit: PageLimit = DEFAULT_LIMIT
    cursor: Cursor | UnsetType = UNSET


class ExportInput(msgspec.Struct, frozen=True, kw_only=True):
    """An export."""

    format: Annotated[ExportFormat, Meta(description="How it is written.")] = "csv"


class BatchInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which words to count on which pages. An item that is wrong makes an invalid line, and no invalid request."""

    items: Annotated[
        list[Any],
        Meta(
            min_length=1,
            description=(
                "The pages, each an object with a `url`, and maybe `words`, `scope`, `whole_word`, `case_sensitive` "
                "and `label` of its own. Its `line` is its place, from 1."
            ),
        ),
    ]
    words: Words = DEFAULT_WORDS
    scope: ScopeOf = "text"
    whole_word: Annotated[bool, Meta(description="Whether a match has to begin and end where words do.")] = True
    case_sensitive: Annotated[bool, Meta(description="Whether `Python` and `python` are two.")] = False
    label: Annotated[LabelText | None, Meta(description="A name of your own for the batch.")] = None


class UploadInput(msgspec.Struct, frozen=True, kw_only=True):
    """Options of an upload that is no JSON."""

    words: (
        Annotated[
            str,
            Meta(
                description="What to count, `;` between words; may be given more than once.",
                pattern=r"[^;\s]",
                examples=["python;open source"],
            ),
        ]
        | UnsetType
    ) = UNSET
    scope: ScopeOf = "text"
    whole_word: Annotated[bool, Meta(description="Whether a match has to begin and end where words do.")] = True
    case_sensitive: Annotated[bool, Meta(description="Whether `Python` and `python` are two.")] = False
    label: Annotated[LabelText, Meta(description="A name of your own for the batch.")] | UnsetType = UNSET


class RetryInput(FilterInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which checks to begin anew: those that failed (or were cancelled) to which all that is given applies."""

    status: Annotated[RetriedStatus, Meta(description="State of the checks.")] = "failed"

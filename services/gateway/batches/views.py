"""Batches and their lines as the API shows them: from rows of the database to what stands in the JSON. Pure."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from services.gateway.batches.queries import MOST_WORDS, LineState
from services.gateway.views import Count, Row, Time
from shared.errors import error_of
from shared.ids import check_of, time_of

BatchStatus = Literal["receiving", "running", "paused", "finished", "cancelled"]

FINAL_BATCH: Final[frozenset[BatchStatus]] = frozenset({"finished", "cancelled"})
RATE_OVER_S: Final = 30.0
"""What ended so long ago counts for the rate by 1/e."""
_SLOWEST_PER_S: Final = 0.001  # less is nothing, and would make a time that nobody waits for


class BatchView(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. Its lines are in exactly one state each, so that the seven counts always sum up to the total."""

    id: Annotated[UUID, Meta(description="UUIDv7: ids sort by the time of creation.")]
    label: Annotated[str | None, Meta(description="The caller's own name for the batch.")]
    status: Annotated[
        BatchStatus,
        Meta(
            description=(
                "`receiving`: its upload is under way, and nothing begins yet. `running`. `paused`: nothing more "
                "begins until it is resumed. `finished`: each line is in a final state. `cancelled`: given up, by "
                "somebody or because the upload broke off."
            )
        ),
    ]
    reason: Annotated[str | None, Meta(description="Why it was cancelled, where nobody asked for that.")]
    total: Annotated[Count, Meta(description="Its lines; as long as it is `receiving`, those that are there.")]
    queued: Count
    running: Count
    done: Count
    failed: Count
    cancelled: Count
    duplicates: Annotated[Count, Meta(description="Lines that ask for the same as an earlier one.")]
    invalid: Annotated[Count, Meta(description="Lines that no check can be made of.")]
    percent: Annotated[
        float,
        Meta(ge=0, le=100, description="Lines in a final state, of a hundred; 100 only when all of them are."),
    ]
    rate_per_s: Annotated[
        float | None, Meta(description="Checks that end per second, of late. Null: none did, or it does not run.")
    ]
    eta_s: Annotated[Count | None, Meta(description="Seconds until it is finished, at that rate.")]
    created_at: Annotated[Time, Meta(description="When its upload began, to the millisecond.")]
    finished_at: Annotated[Time | None, Meta(description="When it was finished or cancelled.")]
    errors_by_code: Annotated[dict[str, Count], Meta(description="Failed lines, by the code of the error.")]
    word_totals: Annotated[
        dict[str, Count],
        Meta(description=f"Counts of lines that are done, summed up by word: the {MOST_WORDS:,} largest at most."),
    ]

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more by itself."""
        return self.status in FINAL_BATCH


class BatchList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of batches."""

    items: Annotated[list[BatchView], Meta(description="Newest first.")]
    next_cursor: Annotated[str | None, Meta(description="Where the next page begins; null: this is the last one.")]


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an upload, and what became of it."""

    line: Annotated[int, Meta(ge=1, description="Where it begins in its file, from 1; blank lines count.")]
    text: Annotated[str, Meta(description="What was given.")]
    state: Annotated[
        LineState,
        Meta(
            description=(
                "That of its check; `duplicate`: an earlier line asks for the same; `invalid`: no check can be made of "
                "it. The last four and `done` are final."
            )
        ),
    ]
    reason: Annotated[
        str | None, Meta(description="Why there is no count, where the state alone does not tell: a sentence.")
    ]
    check_id: Annotated[
        UUID | None,
        Meta(description="Its check, or that of the first line that asks for the same. Null: there is none (yet)."),
    ]
    file: Annotated[str | None, Meta(description="The file that it stands in, of a zip.")]


class LineList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the lines of a batch."""

    items: Annotated[list[LineView], Meta(description="In the order of the upload.")]
    next_cursor: Annotated[str | None, Meta(description="Where the next page begins; null: this is the last one.")]


class RetriedView(msgspec.Struct, frozen=True, kw_only=True):
    """The retry of many checks: it is recorded, and they follow by and by."""

    id: Annotated[UUID, Meta(description="Name of this retry in the logs.")]
    retried: Annotated[Count, Meta(description="Checks that have begun anew so far.")]
    finished: Annotated[bool, Meta(description="Whether that is all of them.")]


def batch_view(row: Row) -> BatchView:
    """Makes the view of a row of `queries.BATCH`, whose jsonb columns are text."""
    return BatchView(
        reason=row["reason"],
        created_at=time_of(row["id"]),
        finished_at=row["finished_at"],
        errors_by_code=_decode_totals(row["errors_by_code"]),
        word_totals=_decode_totals(row["word_totals"]),
        **progress_of(row),
    )


def progress_of(row: Row) -> dict[str, Any]:
    """Which batch it is and how far it has come: fields of its view, by name."""
    counts = _counts(row)
    total = row["received"] if row["status"] == "receiving" else row["total"]
    rate = _rate_per_s(row)
    return {
        "id": row["id"],
        "label": row["label"],
        "status": row["status"],
        "total": total,
        **counts,
        "percent": _percent(counts, total, row["status"]),
        "rate_per_s": rate,
        "eta_s": None if rate is None else math.ceil((counts["queued"] + counts["running"]) / rate),
    }


_decode_totals: Final = msgspec.json.Decoder(dict[str, int]).decode


def _counts(row: Row) -> dict[str, int]:
    """Lines by state; while it is received the chunks tell, and nothing has begun."""
    names = ("queued", "running", "done", "failed", "cancelled", "duplicates", "invalid")
    if row["status"] != "receiving":
        return {name: row[name] for name in names}
    invalid = row["received_invalid"]
    return dict.fromkeys(names, 0) | {"queued": row["received"] - invalid, "invalid": invalid}


def _percent(counts: dict[str, int], total: int, status: BatchStatus) -> float:
    """Rounded down to a tenth, so that 100 is never said too early."""
    is_open = status == "receiving"
    if not total:
        return 0.0 if is_open else 100.0
    tenths = (total - counts["queued"] - counts["running"]) * 1_000 // total
    return (min(tenths, 999) if is_open else tenths) / 10


def _rate_per_s(row: Row) -> float | None:
    """Checks that end per second, of late: what ended lately decays to now; a young batch has had less time for it."""
    since, counted_at, now = row["running_since"], row["recent_at"], row["now"]
    if row["status"] != "running" or since is None or counted_at is None:
        return None
    recent = row["recent"] * math.exp(-_elapsed_s(counted_at, now) / RATE_OVER_S)
    had = 1 - math.exp(-_elapsed_s(since, now) / RATE_OVER_S)
    if not had:
        return None
    rate = round(recent / (RATE_OVER_S * had), 3)
    return rate if rate >= _SLOWEST_PER_S else None


def _elapsed_s(then: datetime, now: datetime) -> float:
    return max(0.0, (now - then).total_seconds())


def line_view(row: Row) -> LineView:
    """Makes the view of a row of `queries.LINES`."""
    return LineView(
        line=row["line"],
        text=row["text"],
        state=row["state"],
        reason=_reason(row),
        check_id=check_id_of(row),
        file=row["file"],
    )


def _reason(row: Row) -> str | None:
    if row["reason"] is not None:
        return str(row["reason"])
    if row["state"] == "duplicate":
        of_file = f" of {row['first_file']}" if row["first_file"] else ""
        return f"Asks for the same as line {row['first_line']}{of_file}."
    return error_of(row["error_code"]).sentence if row["error_code"] is not None else None


def check_id_of(row: Row) -> UUID | None:
    """The check of a line, or that of the first one that asks for the same."""
    seq = row["check_seq"]
    return None if seq is None else check_of(row["batch_id"], seq)


def of_words(counts: str | None, words: list[str]) -> dict[str, int] | None:
    """Counts out of jsonb in the order of the words that were asked for."""
    if counts is None:
        return None
    found: dict[str, Any] = _decode_totals(counts)
    return {word: found[word] for word in words if word in found}

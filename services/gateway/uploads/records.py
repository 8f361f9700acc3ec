"""What an upload is read as: one record for each of its lines that says something, good or bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from shared.messages import Question

MAX_RECORD_BYTES: Final = 512 * 2**10
"""Longest record (and line) that is read; UTF-16 counts as what it is in UTF-8."""

SHOWN_CHARS: Final = 4_096
"""How much of a longer one is kept, to be recognised by."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is asked of every page of a batch, unless its record says something else.

    Attributes:
        question: of records that have none of their own.
    """

    question: Question


class ReadRecord(msgspec.Struct, frozen=True):  # a dataclass takes six times as long to make
    """One record: a check that can be made, or the reason why not.

    Attributes:
        line: the physical line where it begins, from 1; of a JSON array, its place.
        text: as it was written; what PostgreSQL can't hold is U+FFFD.
        url: in normal form; None if and only if there is a `reason`.
        host: the host key of `url`.
        question: the record's own, over the defaults; None where it has none.
        label: the record's own.
        reason: what is wrong with it, in sentences for people.
        file: of a zip, the file it is from.
    """

    line: int
    text: str
    url: str | None
    host: str | None
    question: Question | None
    label: str | None
    reason: str | None
    file: str | None = None


def storable(text: str) -> str:
    """The text with what PostgreSQL can't hold replaced."""
    return text.replace("\0", "\ufffd")


def beginning(text: str) -> str:
    """As much of a long text as is kept."""
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"

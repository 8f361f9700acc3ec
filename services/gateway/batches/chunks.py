"""Records of an upload, packed into chunks that fit into messages, and what two uploads have in common. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec

from services.gateway.uploads.options import Options
from services.gateway.uploads.records import ReadRecord
from shared.messages import Question, Record, encode

MOST_RECORDS: Final = 1_000
MOST_BYTES: Final = 256 * 2**10
"""Of a chunk; a record that has more is one by itself (a line has 512 KiB at most, a message 4 MiB)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records that follow on each other, as a message has them.

    Attributes:
        first_seq: number of the first record in the whole upload, from 1.
        records: what they say; `question` is a place in `questions`.
        questions: those that records have of their own.
        file: of a zip, the one that they are all from.
        size_bytes: about what the message has.
    """

    first_seq: int
    records: tuple[Record, ...]
    questions: tuple[Question, ...]
    file: str | None
    size_bytes: int


class Packer:
    """Packs records one after the other.

    Attributes:
        total: records so far.
    """

    def __init__(self) -> None:
        self.total = 0
        self._records: list[Record] = []
        self._questions: dict[Question, int] = {}
        self._file: str | None = None
        self._bytes = 0

    def add(self, read: ReadRecord) -> Chunk | None:
        """Takes a record; returns the chunk before it, if there is one that has no room for it."""
        record = Record(
            line=read.line, text=read.text, url=read.url, host=read.host, label=read.label, reason=read.reason
        )
        new_question = read.question is not None and read.question not in self._questions
        size = len(encode(record)) + 1 + (len(encode(read.question)) if new_question and read.question else 0)
        full = len(self._records) == MOST_RECORDS or self._bytes + size > MOST_BYTES or read.file != self._file
        chunk = self.cut() if full else None
        if read.question is not None:
            place = self._questions.setdefault(read.question, len(self._questions))
            record = msgspec.structs.replace(record, question=place)
        self._file = read.file
        self._records.append(record)
        self._bytes += size
        self.total += 1
        return chunk

    def cut(self) -> Chunk | None:
        """What is packed and in no chunk yet; None when there is nothing."""
        if not self._records:
            return None
        chunk = Chunk(
            first_seq=self.total - len(self._records) + 1,
            records=tuple(self._records),
            questions=tuple(self._questions),
            file=self._file,
            size_bytes=self._bytes,
        )
        self._records.clear()
        self._questions.clear()
        self._bytes = 0
        return chunk


class Digest:
    """What two uploads have in common exactly when their lines ask for the same in order, and their options are equal.

    As with single checks it is about what is meant, with defaults applied, and not about how that was written. A line
    that no check can be made of means nothing, and is its text.

    Args:
        options: those of the batch, with the defaults applied.
    """

    def __init__(self, options: Options) -> None:
        self._sum = hashlib.sha256()
        self._question = options.defaults.question
        self._add((options.label, self._question))

    def add(self, record: ReadRecord) -> None:
        """Takes the next line."""
        question = record.question
        own = None if question == self._question else question
        self._add((record.text if record.url is None else None, record.url, own, record.label))

    def _add(self, value: object) -> None:
        self._sum.update(msgspec.json.encode(value) + b"\n")

    def hex(self) -> str:
        """The digest of all so far (SHA-256)."""
        return self._sum.hexdigest()

"""Records of uploads as columns for SQL. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.recorder import questions
from shared.messages import FillBatch, Record

Columns = Sequence[list[Any]]
_SAME_BYTES = 16
_COLUMNS = 10


def is_sound(command: FillBatch) -> bool:
    """Whether its numbers can be right: no gateway of ours sends others."""
    own = [record.question for record in command.records if record.question is not None]
    return command.number >= 0 and command.first_seq >= 1 and all(0 <= place < len(command.questions) for place in own)


def is_invalid(record: Record) -> bool:
    """Whether no check can be made of it."""
    return record.reason is not None or record.url is None or record.host is None


def same(url: str, question_same: UUID) -> UUID:
    """What records have in common that ask for the same: a digest of the URL and of what questions share."""
    return UUID(bytes=hashlib.blake2b(question_same.bytes + url.encode(), digest_size=_SAME_BYTES).digest())


def lines(command: FillBatch, batch_same: UUID) -> Columns:
    """For FILL: a column each of seq, line, text, url, host, question, label, same, fate, reason.

    Args:
        command: the chunk; it must be sound.
        batch_same: `questions.same_of` the batch's own question.
    """
    asked = [(questions.id_of(question), questions.same_of(question)) for question in command.questions]
    made = [
        _line(seq, record, None if record.question is None else asked[record.question], batch_same)
        for seq, record in enumerate(command.records, command.first_seq)
    ]
    return [list(column) for column in zip(*made, strict=True)] if made else [[] for _ in range(_COLUMNS)]


def _line(seq: int, record: Record, asked: tuple[UUID, UUID] | None, batch_same: UUID) -> tuple[Any, ...]:
    if record.url is None or is_invalid(record):
        return (
            seq,
            record.line,
            record.text,
            record.url,
            record.host,
            None,
            record.label,
            None,
            "invalid",
            record.reason,
        )
    question, question_same = asked or (None, batch_same)
    alike = same(record.url, question_same)
    return seq, record.line, record.text, record.url, record.host, question, record.label, alike, None, None

"""Every message that crosses NSQ, as JSON.

Schemas only grow: a decoder ignores fields that it does not know, and every new field has a default. Golden files of
each released message are decoded by the tests for ever.
"""

from collections.abc import Callable, Sequence

import msgspec

from shared.messages.attempts import (
    AttemptError,
    AttemptFinished,
    AttemptRef,
    AttemptsLate,
    AttemptsStarted,
    ClaimedCheck,
    Counted,
    FetcherHere,
    PageFacts,
    Report,
    Snippet,
)
from shared.messages.commands import (
    BATCH_KINDS,
    COMMAND_KINDS,
    BatchCommand,
    CancelBatch,
    CancelCheck,
    CheckCommand,
    CloseBatch,
    Command,
    DeleteBatch,
    DeleteCheck,
    FillBatch,
    Filter,
    LoneCommand,
    OpenBatch,
    PauseBatch,
    Record,
    ResumeBatch,
    RetryBatch,
    RetryCheck,
    RetryChecks,
    SubmitCheck,
)
from shared.messages.hints import (
    OUTCOMES,
    ChangedCheck,
    ClockReading,
    ClockReadings,
    CommandOutcome,
    Recorded,
)
from shared.messages.parts import (
    FINAL,
    Idempotency,
    Instant,
    Lane,
    Message,
    Question,
    Scope,
    Status,
)

__all__ = [
    "BATCH_KINDS",
    "COMMAND_KINDS",
    "FINAL",
    "OUTCOMES",
    "AttemptError",
    "AttemptFinished",
    "AttemptRef",
    "AttemptsLate",
    "AttemptsStarted",
    "BatchCommand",
    "CancelBatch",
    "CancelCheck",
    "ChangedCheck",
    "CheckCommand",
    "ClaimedCheck",
    "ClockReading",
    "ClockReadings",
    "CloseBatch",
    "Command",
    "CommandOutcome",
    "Counted",
    "DeleteBatch",
    "DeleteCheck",
    "FetcherHere",
    "FillBatch",
    "Filter",
    "Idempotency",
    "Instant",
    "Lane",
    "LoneCommand",
    "Message",
    "OpenBatch",
    "PageFacts",
    "PauseBatch",
    "Question",
    "Record",
    "Recorded",
    "Report",
    "ResumeBatch",
    "RetryBatch",
    "RetryCheck",
    "RetryChecks",
    "Scope",
    "Snippet",
    "Status",
    "SubmitCheck",
    "decode_batch_command",
    "decode_claimed_check",
    "decode_clock_readings",
    "decode_command",
    "decode_lone_command",
    "decode_recorded",
    "decode_report",
    "encode",
    "encode_all",
    "kind_of",
    "lane_of",
]

_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def encode_all(messages: Sequence[Message]) -> list[bytes]:
    """Each message as JSON."""
    return [_encoder.encode(message) for message in messages]


class _Kind(msgspec.Struct):
    kind: str


_decode_kind = msgspec.json.Decoder(_Kind).decode


def kind_of(body: bytes) -> str:
    """The kind of an encoded command, without decoding the rest of it.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decode_kind(body).kind


class _Reported(msgspec.Struct):
    kind: str
    lane: Lane = "interactive"


_decode_reported = msgspec.json.Decoder(_Reported).decode


def lane_of(body: bytes) -> Lane:
    """The lane of an encoded report, without decoding the rest: of an outcome, its check's; nobody waits for others.

    Raises:
        msgspec.DecodeError: it is none.
    """
    reported = _decode_reported(body)
    return reported.lane if reported.kind == "finished" else "bulk"


decode_command: Callable[[bytes], Command] = msgspec.json.Decoder(Command).decode
decode_lone_command: Callable[[bytes], LoneCommand] = msgspec.json.Decoder(LoneCommand).decode
decode_batch_command: Callable[[bytes], BatchCommand] = msgspec.json.Decoder(BatchCommand).decode
decode_claimed_check: Callable[[bytes], ClaimedCheck] = msgspec.json.Decoder(ClaimedCheck).decode
decode_report: Callable[[bytes], Report] = msgspec.json.Decoder(Report).decode
decode_recorded: Callable[[bytes], Recorded] = msgspec.json.Decoder(Recorded).decode
decode_clock_readings: Callable[[bytes], ClockReadings] = msgspec.json.Decoder(ClockReadings).decode

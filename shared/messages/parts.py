"""What several messages are made of."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Scope = Literal["text", "source"]
Lane = Literal["interactive", "bulk"]
Status = Literal["queued", "running", "done", "failed", "cancelled"]

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its time zone; one without is refused by the decoders."""

FINAL: frozenset[Status] = frozenset({"done", "failed", "cancelled"})


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all messages share: immutable, fields by name, defaults left out of the JSON."""


class Question(Message, frozen=True):
    """What is to be counted on a page."""

    words: tuple[str, ...]
    scope: Scope = "text"
    whole_word: bool = True
    case_sensitive: bool = False


class Idempotency(Message, frozen=True):
    """The Idempotency-Key of a request, and a digest of its validated body to compare another one with."""

    key: str
    digest: str

    def __repr__(self) -> str:
        """Without the key: whoever has it can ask for what it has made, and logs are read by others."""
        return f"Idempotency(key=…, digest={self.digest!r})"

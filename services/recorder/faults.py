"""What a failed transaction means: try it again, look for a culprit, or stop.

The classes are those of the SQLSTATEs in PostgreSQL's manual, Appendix A.
"""

from collections.abc import Sequence
from dataclasses import replace

import asyncpg
import msgspec

from services.recorder.items import Asked, Item
from shared.db.connect import UNAVAILABLE, DatabaseUnavailableError
from shared.messages import AttemptError, AttemptFinished, PageFacts

_PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
_PASSING_STATES = frozenset({"25P03", "55P03"})  # idle_in_transaction_session_timeout, lock_not_available
_DATA_CLASSES = frozenset({"22", "23", "54"})


DATABASE = (asyncpg.PostgresError, *UNAVAILABLE, DatabaseUnavailableError)
"""What a transaction can fail with."""


def may_pass(error: BaseException) -> bool:
    """Whether the same transaction may succeed when run again."""
    state = getattr(error, "sqlstate", None)
    if isinstance(error, asyncpg.PostgresError) and state:
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    return isinstance(error, (*UNAVAILABLE, DatabaseUnavailableError))


def is_data(error: asyncpg.PostgresError) -> bool:
    """Whether PostgreSQL refuses the contents of some row."""
    return (error.sqlstate or "")[:2] in _DATA_CLASSES


def said(error: asyncpg.PostgresError) -> str:
    """The error without its DETAIL, which quotes rows, and without asyncpg's own words, which quote values."""
    told = getattr(error, "message", None)
    name = f"{type(error).__name__} ({error.sqlstate})"
    return f"{name}: {told}" if told else name


def names(item: Item) -> dict[str, str | int]:
    """What the log calls an item by. What callers have written is not for the log."""
    message = item.command if isinstance(item, Asked) else item
    named: dict[str, str | int] = {"kind": str(message.__struct_config__.tag)}
    for field, name in (("check_id", "check"), ("id", "command"), ("attempt", "attempt"), ("trace", "trace")):
        value = getattr(message, field, None)
        if value is not None:
            named[name] = value if isinstance(value, int) else str(value)
    return named


def perhaps_committed(items: Sequence[Item]) -> list[Item]:
    """The items for another try: a commit whose answer was lost claimed checks that nobody has published."""
    return [replace(item, redelivered=True) if isinstance(item, Asked) else item for item in items]


def set_aside(item: Item) -> Item | None:
    """The item without what PostgreSQL may have refused; None if nothing would be left."""
    if isinstance(item, Asked):
        return replace(item, refused=True)
    if isinstance(item, AttemptFinished):
        error = AttemptError(code="internal", detail="its outcome could not be stored", retry=True)
        return msgspec.structs.replace(item, counted=None, error=error, facts=PageFacts())
    return None

"""Ids of checks and commands: UUIDv7 (RFC 9562, section 5.7), so that newer ones sort after older ones."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 80
_LAST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def new_id() -> UUID:
    """A fresh id; ids made in one process sort in the order in which they were made."""
    return uuid_utils.compat.uuid7()


def time_of(id_: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond, UTC. Other ids tell of some time too, of the year 9999 at most."""
    return _EPOCH + timedelta(milliseconds=min(id_.int >> _RANDOM_BITS, _LAST_MS))

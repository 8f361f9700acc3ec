"""Ids: UUIDv7 (RFC 9562, section 5.7), so that newer ones sort after older ones.

A batch's id ends in 32 zero bits. The checks of its lines have the same id but for those bits, which are the number of
the line's record: so that a check tells of which batch it is, and all of a batch are one range of every index on ids.
Migrations have the same as SQL functions: `check_of`, `batch_of`, `seq_of`.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 80
_SEQ_BITS = 32
MAX_SEQ = 2**31 - 1
"""The highest number of a record: PostgreSQL's integer."""
_LAST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def new_id() -> UUID:
    """A fresh id; ids made in one process sort in the order in which they were made."""
    return uuid_utils.compat.uuid7()


def time_of(id_: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond, UTC. Other ids tell of some time too, of the year 9999 at most."""
    return _EPOCH + timedelta(milliseconds=min(id_.int >> _RANDOM_BITS, _LAST_MS))


def batch_id(id_: UUID) -> UUID:
    """The id of a batch, made of a fresh UUIDv7: what makes that unique within its millisecond is in its upper bits."""
    return UUID(int=id_.int >> _SEQ_BITS << _SEQ_BITS)


def check_of(batch: UUID, seq: int) -> UUID:
    """The id of the check for record `seq` (1 is the first) of a batch."""
    return UUID(int=batch.int + seq)


def batch_of(check: UUID) -> UUID:
    """The batch of a check that is of one (its lane is bulk)."""
    return batch_id(check)


def seq_of(check: UUID) -> int:
    """The number of the record that a check of a batch is for."""
    return check.int & (1 << _SEQ_BITS) - 1

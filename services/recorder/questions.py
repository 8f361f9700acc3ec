"""What checks ask for, stored once for all that ask for the same: ids made of the contents. Pure."""

import hashlib
from functools import lru_cache
from uuid import UUID

import msgspec

from shared.messages import Question

_ID_BYTES = 16
_KEPT = 1_024


@lru_cache(maxsize=_KEPT)
def id_of(question: Question) -> UUID:
    """The id of a question: a digest of all of it, its words in their order."""
    return _digest(question)


@lru_cache(maxsize=_KEPT)
def same_of(question: Question) -> UUID:
    """What questions have in common that differ in the order of their words alone."""
    return _digest(msgspec.structs.replace(question, words=tuple(sorted(set(question.words)))))


def _digest(question: Question) -> UUID:
    return UUID(bytes=hashlib.blake2b(msgspec.json.encode(question), digest_size=_ID_BYTES).digest())

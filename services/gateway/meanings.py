"""What a code means, for its page: as the answer to a request, and as the reason why a check has no count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from services.gateway.openapi.operation import OF_ALL, Operation
from services.gateway.openapi.operations import OPERATIONS
from services.gateway.problems import PROBLEMS, ProblemKind, kind_of
from shared.errors import ERRORS, Retry

CODES: Final = frozenset(PROBLEMS) | frozenset(ERRORS)

_REQUEST_TIMEOUT: Final = 408
_OWN_FAULT: Final = 500
_CHECK_AGAIN: Final = {
    Retry.YES: "Yes, and wordwatch does so by itself, after pauses, before the check fails for good.",
    Retry.NO: "Not by itself. Once the cause is mended, a retry of the check begins it anew.",
    Retry.BY_STATUS: (
        "It depends on the HTTP status: 408, 425 and 5xx are tried again by themselves. After others, retry the "
        "check once the cause is mended."
    ),
    Retry.ONCE: "wordwatch tries once more by itself; should that end the same way, the check has failed.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One meaning of a code.

    Attributes:
        of: what goes wrong: the `request` itself, or the `check` that it made.
        status: HTTP status of the answer; a check has none.
        title: what happened, a sentence without its full stop.
        hint: what one can do about it.
        again: whether it helps to try again, sentences.
        operations: which answer requests with it; every one of them may when it is a problem of any request.
    """

    of: Literal["request", "check"]
    status: int | None
    title: str
    hint: str
    again: str
    operations: tuple[Operation, ...] = ()

    @property
    def is_of_all(self) -> bool:
        """Whether every operation can answer with it."""
        return len(self.operations) == len(OPERATIONS)


def meanings_of(code: str) -> tuple[Meaning, ...]:
    """All meanings of a code of `CODES`, of requests first.

    A reason why checks have no count is an answer to a request as well where some operation sees it at once.
    """
    answering = tuple(each for each in OPERATIONS if code in OF_ALL or code in each.problems)
    meanings = []
    if code in PROBLEMS or answering:
        meanings.append(_of_request(kind_of(code), answering))
    if code in ERRORS:
        error = ERRORS[code]
        title = error.sentence.rstrip(".")
        meanings.append(Meaning(of="check", status=None, title=title, hint=error.hint, again=_CHECK_AGAIN[error.retry]))
    return tuple(meanings)


def _of_request(kind: ProblemKind, operations: tuple[Operation, ...]) -> Meaning:
    return Meaning(
        of="request",
        status=kind.status,
        title=kind.title,
        hint=kind.hint,
        again=_request_again(kind),
        operations=operations,
    )


def _request_again(kind: ProblemKind) -> str:
    if kind.retry_after_s is not None:
        return f"Yes, after the seconds that the Retry-After header names ({kind.retry_after_s})."
    if kind.status == _REQUEST_TIMEOUT:
        return "Yes, at once."
    if kind.status == _OWN_FAULT:
        return "It may, but the fault is likely to show again."
    return "Not unchanged: the same request gets the same answer."

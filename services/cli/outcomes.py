"""How a command ended: its exit codes, and what can keep it from its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

FINAL_CHECK: Final = frozenset({"done", "failed", "cancelled"})
FINAL_BATCH: Final = frozenset({"finished", "cancelled"})


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    FAILED = 1  # some check has no count, a line is invalid, or the answer is a no
    USAGE = 2
    NOT_TAKEN = 3  # nobody answers, or the request was not taken
    UNFINISHED = 4  # time was up
    INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


@dataclass(eq=False)
class ApiError(Exception):
    """The server answered with a problem (RFC 9457).

    Attributes:
        status: HTTP status.
        problem: the document.
        retry_after_s: when to come back, where it says so.
        hint: what its page advises; asked for when it is shown.
    """

    status: int
    problem: Mapping[str, Any]
    retry_after_s: float | None = None
    hint: str = ""

    @property
    def outcome(self) -> Exit:
        """The exit code of a command that ends with it."""
        return Exit.NOT_TAKEN if self.status >= 500 else Exit.FAILED


class NotTaken(ApiError):
    """What was to be made was refused."""

    @property
    def outcome(self) -> Exit:
        """Whatever the status: there is nothing now that could be followed."""
        return Exit.NOT_TAKEN


@dataclass(eq=False)
class Unreachable(Exception):
    """No answer, or none of wordwatch.

    Attributes:
        server: who was asked.
        reason: what happened, in a few words.
        passing: whether it may help to try again at once.
    """

    server: str
    reason: str
    passing: bool = True

    @property
    def outcome(self) -> Exit:
        """The exit code of a command that ends with it."""
        return Exit.NOT_TAKEN

    @property
    def problem(self) -> dict[str, Any]:
        """The same in the form of a problem, for programs."""
        return {
            "type": "about:blank",
            "title": "There is no answer",
            "status": None,
            "detail": f"{self.server}: {self.reason}",
            "code": "unreachable",
            "errors": [],
        }


class UsageError(Exception):
    """What was asked for can't be meant; the text says what would do."""


def of_check(check: Mapping[str, Any]) -> Exit:
    """The exit code for a check."""
    if check["status"] not in FINAL_CHECK:
        return Exit.UNFINISHED
    return Exit.DONE if check["status"] == "done" else Exit.FAILED


def of_batch(batch: Mapping[str, Any]) -> Exit:
    """The exit code for a batch."""
    if batch["status"] not in FINAL_BATCH:
        return Exit.UNFINISHED
    well = batch["status"] == "finished" and batch["done"] + batch["duplicates"] == batch["total"]
    return Exit.DONE if well else Exit.FAILED


_GRAVEST_FIRST: Final = (Exit.NOT_TAKEN, Exit.FAILED, Exit.UNFINISHED)


def of_all(outcomes: Iterable[Exit]) -> Exit:
    """One exit code for several: the gravest."""
    found = set(outcomes)
    return next((each for each in _GRAVEST_FIRST if each in found), Exit.DONE)

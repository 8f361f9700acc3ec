"""What a command about a check comes to: pure, the row and the command in, an outcome and a change out."""

from datetime import datetime
from typing import Literal

from services.recorder import lifecycle
from services.recorder.lifecycle import Change, CheckState
from shared.messages import FINAL, CancelCheck, CheckCommand, DeleteCheck, RetryCheck

Outcome = Literal["applied", "deleted", "not_found", "already_finished", "not_retryable"]

RETRYABLE = frozenset({"failed", "cancelled"})


def decide(state: CheckState | None, command: CheckCommand, now: datetime) -> tuple[Outcome, Change | None]:
    """What becomes of a check (None: there is none) by a command that is not expired and has no outcome yet.

    Returns:
        The outcome, and the change that goes with it. A check that is `deleted` has no further state.
    """
    if state is None:
        return "not_found", None
    match command:
        case CancelCheck():
            return _cancel(state, now)
        case RetryCheck():
            again = state.status in RETRYABLE
            return ("applied", lifecycle.retried(state, now)) if again else ("not_retryable", None)
        case DeleteCheck():
            return "deleted", None


def _cancel(state: CheckState, now: datetime) -> tuple[Outcome, Change | None]:
    if state.status == "cancelled":
        return "applied", None
    if state.status in FINAL:
        return "already_finished", None
    return "applied", lifecycle.cancelled(state, now)

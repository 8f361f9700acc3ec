"""What a report does to a check: pure, the row as it is and the message in, the row as it becomes out.

The recorder holds the row's lock while it asks, so that what is decided here is what happens.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.errors import MAX_RETRY_AFTER_S
from shared.messages import FINAL, AttemptError, AttemptFinished, AttemptRef, Status

_PAUSE_GROWTH = 4.0


@dataclass(frozen=True, slots=True)
class CheckState:
    """What changes of a check: a row of `checks`."""

    status: Status
    run: int
    first_attempt: int
    last_attempt: int
    attempts: int
    lost: int
    deaths: int
    next_attempt_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a check is tried, and how long it pauses before the second attempt (before the third four times)."""

    max_attempts: int
    base_s: float

    def pause_s(self, attempts: int, jitter: float) -> float:
        """The pause after `attempts` attempts; `jitter` is a factor, 0.5 to 1.5."""
        return self.base_s * _PAUSE_GROWTH ** (attempts - 1) * jitter


@dataclass(frozen=True, slots=True)
class Change:
    """A check's new state, and what goes with it."""

    state: CheckState
    result: AttemptFinished | None = None
    """To be stored as the check's result."""
    failure: AttemptFinished | None = None
    """To be kept in the history."""
    due_at: datetime | None = None
    """When the next attempt is due, if the check goes back into the queue."""


def finished(
    state: CheckState, report: AttemptFinished, *, had_lease: bool, now: datetime, policy: RetryPolicy, jitter: float
) -> Change | None:
    """An attempt ended with an outcome.

    A count of the current run is final, from whichever attempt. A failure counts only while its lease row is there:
    without it the attempt was given up, and another one decides.
    """
    if state.status in FINAL or report.attempt < state.first_attempt:
        return None
    done = replace(
        state,
        status="done",
        attempts=state.attempts + 1,
        next_attempt_at=None,
        started_at=report.started_at,
        finished_at=max(report.finished_at, report.started_at),
    )
    if report.error is None:
        return Change(done, result=report)
    if not had_lease:
        return None
    if report.error.retry and done.attempts < policy.max_attempts:
        due_at = now + timedelta(seconds=_wait_s(report.error, policy.pause_s(done.attempts, jitter)))
        waiting = replace(
            state, status="queued", attempts=done.attempts, next_attempt_at=due_at, started_at=None, finished_at=None
        )
        return Change(waiting, failure=report, due_at=due_at)
    return Change(replace(done, status="failed"), result=report, failure=report)


def _wait_s(error: AttemptError, pause_s: float) -> float:
    return max(pause_s, min(error.retry_after_s or 0.0, MAX_RETRY_AFTER_S))


def started(state: CheckState, ref: AttemptRef) -> Change | None:
    """An attempt is under way; only of the newest attempt is that news."""
    if state.status != "queued" or ref.attempt != state.last_attempt or ref.attempt < state.first_attempt:
        return None
    if state.next_attempt_at is not None:
        return None  # it has ended already and waits for the next one
    return Change(replace(state, status="running", started_at=ref.at))


def late(state: CheckState, ref: AttemptRef, *, had_lease: bool, now: datetime) -> Change | None:
    """An attempt was found too late to be begun: no attempt, and the check is due at once."""
    if not had_lease or state.status in FINAL or ref.attempt != state.last_attempt:
        return None
    return Change(replace(state, status="queued", next_attempt_at=now, started_at=None), due_at=now)

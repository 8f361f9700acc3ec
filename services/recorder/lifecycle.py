"""The life of a check: pure, the row as it is and a message in, the row as it becomes out, or nothing.

The recorder holds the row's lock while it asks, or commits only if the row is still the same, so that what is decided
here is what happens. Three things are done by SQL alone, and described here all the same (`submitted`, `claimed`,
`swept`): tests hold the two together.

          submit                 claim, started
    (none) ────► queued ◄──────────────────────► running ──► done
                 │ ▲  ▲   failure that may pass,    │
          cancel │ │  └── late, lease swept ────────┤
                 ▼ │ retry                          ├──► failed ── retry ──► queued
              cancelled ◄───────── cancel ──────────┘
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.errors import MAX_RETRY_AFTER_S, Retry, error_of
from shared.messages import FINAL, AttemptError, AttemptFinished, AttemptRef, Status

_PAUSE_GROWTH = 4.0
_DEATHS_TO_CONVICT = 2


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


NEW = CheckState(
    status="queued",
    run=1,
    first_attempt=1,
    last_attempt=0,
    attempts=0,
    lost=0,
    deaths=0,
    next_attempt_at=None,
    started_at=None,
    finished_at=None,
)
"""A check as its submission leaves it, due at once."""


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
    history: AttemptFinished | None = None
    """To be kept in the history."""
    due_at: datetime | None = None
    """When the next attempt is due, if the check goes back into the queue."""


def finished(
    state: CheckState, report: AttemptFinished, *, had_lease: bool, now: datetime, policy: RetryPolicy, jitter: float
) -> Change | None:
    """An attempt ended with an outcome.

    A count of the current run is final, from whichever attempt. A failure counts only while its lease row is there:
    without it the attempt was given up, and another one decides. What comes too late to decide anything is history.
    """
    if state.status in FINAL or report.attempt < state.first_attempt:
        return Change(state, history=report) if had_lease else None
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
    if error_of(report.error.code).retry is Retry.ONCE:
        done = replace(done, deaths=state.deaths + 1)
        again, pause_s = done.deaths < _DEATHS_TO_CONVICT, 0.0
    else:
        again = report.error.retry and done.attempts < policy.max_attempts
        pause_s = _wait_s(report.error, policy.pause_s(done.attempts, jitter))
    if not again:
        return Change(replace(done, status="failed"), result=report, history=report)
    due_at = now + timedelta(seconds=pause_s)
    waiting = replace(done, status="queued", next_attempt_at=due_at, started_at=None, finished_at=None)
    return Change(waiting, history=report, due_at=due_at)


def _wait_s(error: AttemptError, pause_s: float) -> float:
    return max(pause_s, min(error.retry_after_s or 0.0, MAX_RETRY_AFTER_S))


def started(state: CheckState, ref: AttemptRef) -> Change | None:
    """An attempt is under way; only of the newest attempt is that news."""
    if state.status != "queued" or not _is_under_way(state, ref.attempt):
        return None
    return Change(replace(state, status="running", started_at=ref.at))


def late(state: CheckState, ref: AttemptRef, *, had_lease: bool, now: datetime) -> Change | None:
    """An attempt was found too late to be begun: no attempt, and the check is due at once."""
    if not had_lease or not _is_under_way(state, ref.attempt):
        return None
    return Change(replace(state, status="queued", next_attempt_at=now, started_at=None), due_at=now)


def _is_under_way(state: CheckState, attempt: int) -> bool:
    """Whether it is what an open check waits for: its newest attempt, of this run, and not ended in some way."""
    is_newest = state.first_attempt <= attempt == state.last_attempt
    return is_newest and state.next_attempt_at is None and state.status not in FINAL


def cancelled(state: CheckState, now: datetime) -> Change:
    """Somebody gives an open check up. What is under way ends by itself, and changes nothing any more."""
    # What has begun did so by its fetcher's clock, which may be ahead of ours.
    ended_at = now if state.started_at is None else max(now, state.started_at)
    return Change(replace(state, status="cancelled", next_attempt_at=None, finished_at=ended_at))


def retried(state: CheckState, now: datetime) -> Change:
    """Somebody asks for a new run of a failed or cancelled check, which is due at once."""
    fresh = replace(NEW, run=state.run + 1, first_attempt=state.last_attempt + 1, last_attempt=state.last_attempt)
    return Change(fresh, due_at=now)


def submitted(state: CheckState | None, run_at: datetime | None = None) -> CheckState | None:
    """What `sql.ADD_CHECKS` does: a check is made once, and a repeated submission changes nothing.

    Args:
        state: of the check, if it is there.
        run_at: when it is due, if not at once.
    """
    return replace(NEW, next_attempt_at=run_at) if state is None else None


def claimed(state: CheckState, attempt: int) -> CheckState | None:
    """What `claim_checks` does to a check that waits: an attempt number and a lease (a row of its own)."""
    if state.status != "queued" or attempt != state.last_attempt + 1:
        return None
    return replace(state, last_attempt=attempt, next_attempt_at=None)


def swept(state: CheckState, attempt: int, due_at: datetime) -> Change | None:
    """What `sweep_leases` does when a lease ended without a word: the attempt is lost, and another one due."""
    if not _is_under_way(state, attempt):
        return None
    lost = replace(state, status="queued", lost=state.lost + 1, started_at=None, next_attempt_at=due_at)
    return Change(lost, due_at=due_at)

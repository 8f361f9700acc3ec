"""The whole state machine as a table: each state of a row against each message that can reach it, and what comes of it.

Q: queued, and due · R: running · D, F: done, failed, with a result to store · C: cancelled · X: gone · *: a new check ·
h: nothing but a line in the history · -: nothing
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.recorder.ledger import Ledger, Reports
from services.recorder.lifecycle import NEW, CheckState, RetryPolicy, submitted, swept
from shared.ids import new_id
from shared.messages import (
    AttemptsLate,
    AttemptsStarted,
    CancelCheck,
    CheckCommand,
    DeleteCheck,
    Report,
    RetryCheck,
)
from tests import factories

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=3, base_s=2)
CHECK = UUID("0199a1b2-c3d4-7000-8000-000000000001")

CLAIMED = replace(NEW, last_attempt=1)
STATES: dict[str, CheckState | None] = {
    "none": None,
    "new": NEW,
    "claimed": CLAIMED,
    "running": replace(CLAIMED, status="running", started_at=NOW),
    "pausing": replace(CLAIMED, attempts=1, next_attempt_at=NOW),
    "second": replace(NEW, last_attempt=2, attempts=1),  # its second attempt is claimed
    "third": replace(NEW, last_attempt=3, attempts=2, deaths=1),
    "reopened": replace(NEW, run=2, first_attempt=2, last_attempt=1),  # a new run, not claimed yet
    "again": replace(NEW, run=2, first_attempt=2, last_attempt=2),  # a new run, claimed
    "done": replace(CLAIMED, status="done", attempts=1, started_at=NOW, finished_at=NOW),
    "failed": replace(CLAIMED, status="failed", attempts=1, started_at=NOW, finished_at=NOW),
    "cancelled": replace(CLAIMED, status="cancelled", finished_at=NOW),
}


def _report(make: Callable[[int], Report], *, lease: bool, attempt: int | None) -> Callable[[CheckState | None], str]:
    def apply(state: CheckState | None) -> str:
        number = attempt or max(state.last_attempt if state else 1, 1)
        ledger = Ledger({} if state is None else {CHECK: state})
        ledger.report(Reports.of([make(number)]), {(CHECK, number)} if lease else set(), NOW, POLICY, lambda: 1.0)
        return _told(ledger)

    return apply


def _told(ledger: Ledger) -> str:
    if CHECK in ledger.deleted:
        return "X"
    change = ledger.changes.get(CHECK)
    if change is None:
        return "h" if ledger.history else "-"
    status = change.state.status
    assert (change.result is not None) == (status in ("done", "failed"))
    assert (change.due_at is not None) == (status == "queued")
    return status[0].upper()


def _counted(number: int) -> Report:
    return factories.counted(factories.claimed(check_id=CHECK, attempt=number))


def _failed(code: str, retry: bool) -> Callable[[int], Report]:
    return lambda number: factories.failed(factories.claimed(check_id=CHECK, attempt=number), code, retry=retry)


def _started(number: int) -> Report:
    return AttemptsStarted(
        fetcher="f", attempts=(factories.ref(factories.claimed(check_id=CHECK, attempt=number), NOW),)
    )


def _late(number: int) -> Report:
    return AttemptsLate(fetcher="f", attempts=(factories.ref(factories.claimed(check_id=CHECK, attempt=number), NOW),))


def _command(kind: type[CheckCommand]) -> Callable[[CheckState | None], str]:
    def apply(state: CheckState | None) -> str:
        ledger = Ledger({} if state is None else {CHECK: state})
        ledger.command([kind(id=new_id(), expires_at=NOW, check_id=CHECK)], {}, NOW)
        return _told(ledger)

    return apply


def _submit(state: CheckState | None) -> str:
    return "-" if submitted(state) is None else "*"


def _sweep(attempt: int | None) -> Callable[[CheckState | None], str]:
    def apply(state: CheckState | None) -> str:
        change = None if state is None else swept(state, attempt or max(state.last_attempt, 1), NOW)
        return "-" if change is None else change.state.status[0].upper()

    return apply


MAY_PASS, FINAL, DEATH = _failed("connect_failed", True), _failed("too_large", False), _failed("poison", False)

MESSAGES: dict[str, Callable[[CheckState | None], str]] = {
    "submit": _submit,
    "started": _report(_started, lease=True, attempt=None),
    "counted": _report(_counted, lease=True, attempt=None),
    "counted, lease gone": _report(_counted, lease=False, attempt=None),
    "may pass": _report(MAY_PASS, lease=True, attempt=None),
    "may pass, lease gone": _report(MAY_PASS, lease=False, attempt=None),
    "final failure": _report(FINAL, lease=True, attempt=None),
    "final failure, lease gone": _report(FINAL, lease=False, attempt=None),
    "death": _report(DEATH, lease=True, attempt=None),
    "death, lease gone": _report(DEATH, lease=False, attempt=None),
    "late": _report(_late, lease=True, attempt=None),
    "late, lease gone": _report(_late, lease=False, attempt=None),
    "sweep": _sweep(None),
    "#1 started": _report(_started, lease=True, attempt=1),
    "#1 counted": _report(_counted, lease=True, attempt=1),
    "#1 counted, lease gone": _report(_counted, lease=False, attempt=1),
    "#1 may pass, lease gone": _report(MAY_PASS, lease=False, attempt=1),
    "#1 final failure, lease gone": _report(FINAL, lease=False, attempt=1),
    "#1 late": _report(_late, lease=True, attempt=1),
    "#1 sweep": _sweep(1),
    "cancel": _command(CancelCheck),
    "retry": _command(RetryCheck),
    "delete": _command(DeleteCheck),
}

TABLE = """
                             none new claimed running pausing second third reopened again done failed cancelled
submit                          *   -       -       -       -      -     -        -     -    -      -         -
started                         -   -       R       -       -      R     R        -     R    -      -         -
counted                         -   D       D       D       D      D     D        h     D    h      h         h
counted, lease gone             -   D       D       D       D      D     D        -     D    -      -         -
may pass                        -   Q       Q       Q       Q      Q     F        h     Q    h      h         h
may pass, lease gone            -   -       -       -       -      -     -        -     -    -      -         -
final failure                   -   F       F       F       F      F     F        h     F    h      h         h
final failure, lease gone       -   -       -       -       -      -     -        -     -    -      -         -
death                           -   Q       Q       Q       Q      Q     F        h     Q    h      h         h
death, lease gone               -   -       -       -       -      -     -        -     -    -      -         -
late                            -   -       Q       Q       -      Q     Q        -     Q    -      -         -
late, lease gone                -   -       -       -       -      -     -        -     -    -      -         -
sweep                           -   -       Q       Q       -      Q     Q        -     Q    -      -         -
#1 started                      -   -       R       -       -      -     -        -     -    -      -         -
#1 counted                      -   D       D       D       D      D     D        h     h    h      h         h
#1 counted, lease gone          -   D       D       D       D      D     D        -     -    -      -         -
#1 may pass, lease gone         -   -       -       -       -      -     -        -     -    -      -         -
#1 final failure, lease gone    -   -       -       -       -      -     -        -     -    -      -         -
#1 late                         -   -       Q       Q       -      -     -        -     -    -      -         -
#1 sweep                        -   -       Q       Q       -      -     -        -     -    -      -         -
cancel                          -   C       C       C       C      C     C        C     C    -      -         -
retry                           -   -       -       -       -      -     -        -     -    -      Q         Q
delete                          -   X       X       X       X      X     X        X     X    X      X         X
"""


def _cells() -> list[tuple[str, str, str]]:
    header, *lines = TABLE.strip("\n").splitlines()
    states = header.split()
    assert states == list(STATES)
    assert [line[:28].strip() for line in lines] == list(MESSAGES)
    return [
        (state, line[:28].strip(), cell)
        for line in lines
        for state, cell in zip(states, line[28:].split(), strict=True)
    ]


@pytest.mark.parametrize(("state", "message", "expected"), _cells())
def test_each_state_and_message(state: str, message: str, expected: str) -> None:
    assert MESSAGES[message](STATES[state]) == expected

"""What each command comes to in each state of a batch."""

from typing import Any, get_args

import pytest

from services.recorder.batches.orders import ALL_JOBS, BatchState, BatchStatus, Decision, Order, decide
from shared.messages import CancelBatch, DeleteBatch, PauseBatch, ResumeBatch, RetryBatch
from tests import factories

SHORT: dict[str, type[Order]] = {
    "cancel": CancelBatch,
    "pause": PauseBatch,
    "resume": ResumeBatch,
    "retry": RetryBatch,
    "delete": DeleteBatch,
}
# Of a batch that has open checks and failed ones.
TABLE: dict[BatchStatus, dict[str, tuple[str, str | None, str | None]]] = {
    "receiving": {
        "cancel": ("applied", "give up", None),
        "pause": ("still_receiving", None, None),
        "resume": ("still_receiving", None, None),
        "retry": ("still_receiving", None, None),
        "delete": ("deleted", "delete", "delete"),
    },
    "running": {
        "cancel": ("applied", "cancel", "cancel"),
        "pause": ("applied", "pause", "park"),
        "resume": ("applied", None, None),
        "retry": ("applied", "reopen", "retry"),
        "delete": ("deleted", "delete", "delete"),
    },
    "paused": {
        "cancel": ("applied", "cancel", "cancel"),
        "pause": ("applied", None, None),
        "resume": ("applied", "resume", "unpark"),
        "retry": ("applied", "reopen", "retry"),
        "delete": ("deleted", "delete", "delete"),
    },
    "finished": {
        "cancel": ("already_finished", None, None),
        "pause": ("already_finished", None, None),
        "resume": ("already_finished", None, None),
        "retry": ("applied", "reopen", "retry"),
        "delete": ("deleted", "delete", "delete"),
    },
    "cancelled": {
        "cancel": ("applied", None, "cancel"),
        "pause": ("already_finished", None, None),
        "resume": ("already_finished", None, None),
        "retry": ("applied", "reopen", "retry"),
        "delete": ("deleted", "delete", "delete"),
    },
    "deleted": dict.fromkeys(SHORT, ("not_found", None, None)),
}
CASES = [(status, name, expected) for status, row in TABLE.items() for name, expected in row.items()]


def made(name: str) -> Any:
    return factories.about_batch(SHORT[name], batch_id=factories.open_batch().batch_id)


def test_the_table_has_every_state_and_command() -> None:
    assert set(TABLE) == set(get_args(BatchStatus))
    assert set(SHORT.values()) == set(get_args(Order))
    assert all(set(row) == set(SHORT) for row in TABLE.values())


@pytest.mark.parametrize(("status", "name", "expected"), CASES)
def test_each_command_in_each_state(status: BatchStatus, name: str, expected: Any) -> None:
    decision = decide(BatchState(status, queued=1, running=1, failed=1), made(name))
    assert (decision.outcome, decision.flip, decision.begin) == expected


@pytest.mark.parametrize("name", SHORT)
def test_of_a_batch_that_is_not_there(name: str) -> None:
    assert decide(None, made(name)) == Decision("not_found")


@pytest.mark.parametrize("status", ["running", "paused", "finished", "cancelled"])
def test_where_nothing_failed_nothing_is_asked_for_again(status: BatchStatus) -> None:
    assert decide(BatchState(status, queued=1), made("retry")) == Decision("not_retryable")


def test_a_cancelled_batch_of_which_nothing_goes_on_needs_no_work() -> None:
    assert decide(BatchState("cancelled", failed=1), made("cancel")) == Decision("applied")


def test_jobs_that_have_nothing_to_do_any_more_end() -> None:
    running, paused = BatchState("running", queued=1), BatchState("paused", queued=1)
    assert decide(running, made("pause")).end == {"unpark"}
    assert decide(paused, made("resume")).end == {"park"}
    assert decide(running, made("cancel")).end == decide(running, made("delete")).end == ALL_JOBS

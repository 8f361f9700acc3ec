import asyncpg
import pytest

from services.recorder import faults
from services.recorder.items import Asked
from shared.messages import AttemptFinished
from tests import factories


def error_of(state: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": state, "M": "made for a test"})


@pytest.mark.parametrize(
    "state",
    ["08006", "25P03", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P03", "58030"],
)
def test_rule_20_what_may_pass_is_tried_again(state: str) -> None:
    assert faults.may_pass(error_of(state))
    assert not faults.is_data(error_of(state))


@pytest.mark.parametrize("error", [OSError(), ConnectionResetError(), TimeoutError(), asyncpg.InterfaceError("closed")])
def test_rule_20_lost_connections_are_tried_again(error: Exception) -> None:
    assert faults.may_pass(error)


@pytest.mark.parametrize("state", ["22001", "22021", "22P05", "23502", "23505", "54000"])
def test_rule_21_what_is_wrong_with_a_row_is_looked_for(state: str) -> None:
    assert faults.is_data(error_of(state))
    assert not faults.may_pass(error_of(state))


@pytest.mark.parametrize("state", ["42P01", "42501", "XX000", "25P02"])
def test_other_faults_end_the_recorder(state: str) -> None:
    assert not faults.may_pass(error_of(state))
    assert not faults.is_data(error_of(state))


def test_rule_21_a_culprit_keeps_what_can_be_recorded_of_it() -> None:
    refused = faults.set_aside(Asked(factories.submit()))
    assert isinstance(refused, Asked)
    assert refused.refused
    report = faults.set_aside(factories.counted(factories.claimed()))
    assert isinstance(report, AttemptFinished)
    assert report.error is not None
    assert (report.error.code, report.error.retry, report.counted) == ("internal", True, None)
    assert faults.set_aside(factories.here()) is None


def test_rule_3_what_was_perhaps_committed_counts_as_delivered_again() -> None:
    here = factories.here()
    (again, report) = faults.perhaps_committed([Asked(factories.submit()), here])
    assert isinstance(again, Asked)
    assert again.redelivered
    assert report is here

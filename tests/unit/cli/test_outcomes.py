import pytest

from services.cli.outcomes import ApiError, Exit, NotTaken, Unreachable, of_all, of_batch, of_check
from tests.unit.cli import documents


@pytest.mark.parametrize(
    ("status", "code"),
    [("done", Exit.DONE), ("failed", Exit.FAILED), ("cancelled", Exit.FAILED), ("queued", 4), ("running", 4)],
)
def test_a_check_ends_as_its_state_says(status: str, code: int) -> None:
    assert of_check({"status": status}) == code


@pytest.mark.parametrize(
    ("different", "code"),
    [
        ({}, Exit.DONE),
        ({"done": 990, "failed": 1}, Exit.FAILED),
        ({"done": 990, "invalid": 1}, Exit.FAILED),
        ({"done": 990, "cancelled": 1}, Exit.FAILED),
        ({"status": "cancelled"}, Exit.FAILED),
        ({"status": "running"}, Exit.UNFINISHED),
        ({"status": "paused"}, Exit.UNFINISHED),
    ],
)
def test_a_batch_is_done_when_each_line_is(different: dict[str, object], code: Exit) -> None:
    assert of_batch(documents.batch(**different)) is code


def test_the_gravest_outcome_counts() -> None:
    assert of_all([]) is Exit.DONE
    assert of_all([Exit.DONE, Exit.UNFINISHED]) is Exit.UNFINISHED
    assert of_all([Exit.UNFINISHED, Exit.FAILED, Exit.DONE]) is Exit.FAILED
    assert of_all([Exit.FAILED, Exit.NOT_TAKEN]) is Exit.NOT_TAKEN


def test_a_no_is_not_an_outage() -> None:
    assert ApiError(404, {}).outcome is Exit.FAILED
    assert ApiError(409, {}).outcome is Exit.FAILED
    assert ApiError(503, {}).outcome is Exit.NOT_TAKEN
    assert NotTaken(422, {}).outcome is Exit.NOT_TAKEN
    assert Unreachable("http://a", "gone").outcome is Exit.NOT_TAKEN

import pytest

from services.gateway.meanings import CODES, meanings_of
from services.gateway.openapi.operations import OPERATIONS
from services.gateway.problems import PROBLEMS
from shared.errors import ERRORS, Retry


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_means_something(code: str) -> None:
    meanings = meanings_of(code)
    assert [meaning.of for meaning in meanings] in (["request"], ["check"], ["request", "check"])
    assert (code in ERRORS) == (meanings[-1].of == "check")
    for meaning in meanings:
        assert meaning.title
        assert meaning.hint
        assert meaning.again
        assert (meaning.status is None) == (meaning.of == "check")


def test_where_a_pause_is_suggested_it_helps_to_try_again() -> None:
    for code, kind in PROBLEMS.items():
        (meaning, *_) = meanings_of(code)
        helps = kind.retry_after_s is not None or kind.status in {408, 500}
        assert meaning.again.startswith("Not unchanged") != helps, code
        if kind.retry_after_s is not None:
            assert f"({kind.retry_after_s})" in meaning.again


def test_checks_are_told_apart_by_what_becomes_of_them() -> None:
    by_retry = {
        retry: {meanings_of(code)[-1].again for code, kind in ERRORS.items() if kind.retry is retry} for retry in Retry
    }
    assert [len(sentences) for sentences in by_retry.values()] == [1, 1, 1, 1]
    assert len(set.union(*by_retry.values())) == 4


def test_what_is_seen_at_once_is_an_answer_to_a_request_too() -> None:
    at_once, of_a_check = meanings_of("invalid_url")
    assert (at_once.of, at_once.status) == ("request", 422)
    assert [operation.id for operation in at_once.operations] == ["createCheck"]
    assert of_a_check.operations == ()


def test_what_any_request_can_end_with() -> None:
    assert [code for code in sorted(PROBLEMS) if meanings_of(code)[0].is_of_all] == sorted(
        code for code in PROBLEMS if all(code in _of(operation) for operation in OPERATIONS)
    )
    assert meanings_of("internal")[0].is_of_all
    assert not meanings_of("not_retryable")[0].is_of_all


def _of(operation: object) -> str:
    return str(operation.described()["responses"])  # type: ignore[attr-defined]

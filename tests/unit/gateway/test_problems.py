import json
import re

import pytest

from services.gateway.commands import Refused
from services.gateway.middlewares import problem_of
from services.gateway.problems import PROBLEMS, FieldError, Problem, kind_of, of_status
from services.gateway.sending import NotCommitted
from services.gateway.store import StoreUnavailable
from services.gateway.waiting import TooManyWaiting
from shared.errors import ERRORS
from shared.ids import new_id


def test_a_problem_as_json() -> None:
    wrong = [FieldError("/url", "Required.")]
    problem = Problem("invalid_request", "That will not do.", errors=wrong, extra={"id": "7"})
    assert json.loads(problem.to_json()) == {
        "type": "/docs/problems/invalid_request",
        "title": PROBLEMS["invalid_request"].title,
        "status": 422,
        "detail": "That will not do.",
        "code": "invalid_request",
        "errors": [{"pointer": "/url", "message": "Required."}],
        "id": "7",
    }


def test_no_code_means_two_things() -> None:
    assert not PROBLEMS.keys() & (ERRORS.keys() - {"internal"})


@pytest.mark.parametrize("code", [*PROBLEMS, *ERRORS])
def test_each_code_can_be_shown(code: str) -> None:
    kind = kind_of(code)
    assert re.fullmatch(r"[a-z_]+", kind.code)
    assert kind.title
    assert kind.hint
    assert 400 <= kind.status <= 503


def test_503_says_when_to_come_back() -> None:
    for kind in PROBLEMS.values():
        if kind.status == 503:
            assert int(Problem(kind.code, "x").all_headers()["Retry-After"]) > 0
    assert "Retry-After" not in Problem("not_found", "x").all_headers()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (408, "request_timeout"),
        (413, "body_too_large"),
        (414, "uri_too_long"),
        (431, "headers_too_large"),
        (503, "too_many_connections"),
        (500, "internal"),
        (417, "bad_request"),
    ],
)
def test_what_the_web_framework_says_has_a_code(status: int, code: str) -> None:
    assert of_status(status, "Because").code == code


def test_what_may_still_be_committed_says_where() -> None:
    check_id = new_id()
    problem = problem_of(NotCommitted(check_id))
    assert problem.kind.status == 503
    assert json.loads(problem.to_json())["id"] == str(check_id)
    assert problem.all_headers()["Location"] == f"/api/v1/checks/{check_id}"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused("idempotency_key_reused"), 422, "idempotency_key_reused"),
        (Refused("refused"), 422, "refused"),
        (Refused("something_new"), 422, "refused"),
        (Refused("not_found"), 404, "not_found"),
        (Refused("deleted"), 404, "not_found"),
        (Refused("already_finished"), 409, "already_finished"),
        (Refused("not_retryable"), 409, "not_retryable"),
        (TooManyWaiting(), 503, "too_many_waiting"),
        (StoreUnavailable("gone"), 503, "database_unavailable"),
        (ZeroDivisionError(), 500, "internal"),
    ],
)
def test_each_failure_has_its_answer(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert (problem.kind.status, problem.code) == (status, code)


def test_a_check_that_was_deleted_since_is_not_one_that_never_was() -> None:
    assert "deleted it since" in problem_of(Refused("deleted")).detail
    assert "deleted" not in problem_of(Refused("not_found")).detail

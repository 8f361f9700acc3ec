from datetime import UTC, datetime

import pytest

from services.fetcher.robots.answers import FRESH_S, Answer, from_failure, from_status
from shared.errors import FetchError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def judged(status: int, **headers: str) -> Answer:
    answer = from_status(status, {name.replace("_", "-").title(): value for name, value in headers.items()}, NOW)
    assert answer is not None
    return answer


@pytest.mark.parametrize("status", [200, 203, 204, 206])
def test_a_success_leaves_it_to_the_body(status: int) -> None:
    assert from_status(status, {}, NOW) is None


@pytest.mark.parametrize("status", [300, 301, 304, 400, 401, 403, 404, 408, 410, 418, 451, 499])
def test_rfc_9309_2_3_1_3_what_is_not_there_allows_all_for_a_day(status: int) -> None:
    answer = judged(status)
    assert (answer.outcome, answer.refusal, answer.fresh_s) == ("absent", None, FRESH_S)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 999])
def test_rfc_9309_2_3_1_4_a_server_that_fails_disallows_all_for_a_minute(status: int) -> None:
    answer = judged(status)
    error = answer.error(30)
    assert error is not None
    assert (error.code, error.http_status, error.retryable, answer.fresh_s) == ("robots_disallowed", status, False, 60)
    assert str(status) in error.detail


@pytest.mark.parametrize(
    ("status", "headers", "pause_s"),
    [
        (429, {}, 60),
        (429, {"retry_after": "120"}, 120),
        (429, {"retry_after": "soon"}, 60),
        (503, {"retry_after": "5"}, 5),
        (503, {"retry_after": "0"}, 1),
        (503, {"retry_after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30),
        (429, {"retry_after": "999999"}, 3600),
    ],
)
def test_a_server_that_asks_for_a_pause_gets_it(status: int, headers: dict[str, str], pause_s: float) -> None:
    answer = judged(status, **headers)
    error = answer.error(answer.fresh_s)
    assert error is not None
    assert (error.code, error.http_status, error.retryable) == ("rate_limited", status, True)
    assert (answer.fresh_s, error.retry_after_s) == (pause_s, pause_s)


def test_of_a_pause_the_rest_is_told() -> None:
    answer = judged(429, retry_after="120")
    later, at_the_end = answer.error(45.5), answer.error(0.01)
    assert later is not None
    assert at_the_end is not None
    assert (later.retry_after_s, at_the_end.retry_after_s) == (45.5, 1)


def test_a_failure_ends_the_check_as_itself_and_is_not_kept() -> None:
    answer = from_failure(FetchError("connect_timeout", detail="nobody there"))
    error = answer.error(0)
    assert error is not None
    assert (error.code, error.retryable, error.retry_after_s, answer.fresh_s) == ("connect_timeout", True, None, 0)
    assert error.detail == "nobody there"


def test_what_the_page_itself_may_not_meet_is_said_to_be_of_robots_txt() -> None:
    error = from_failure(FetchError("read_timeout", detail="silence")).error(0)
    assert error is not None
    assert error.detail == "asking for robots.txt: silence"

import pickle
from pathlib import Path

import pytest

from shared import errors_page
from shared.errors import (
    ERRORS,
    ErrorKind,
    FetchError,
    Permanent,
    Poison,
    Retry,
    Retryable,
    error_of,
    is_retried,
)

PUBLISHED = {
    "invalid_url", "dns_not_found", "dns_failed", "connect_failed", "connect_timeout", "tls_expired",
    "tls_hostname", "tls_failed", "read_timeout", "deadline_exceeded", "too_many_redirects", "redirect_loop",
    "forbidden_address", "robots_disallowed", "rate_limited", "blocked", "http_error", "empty_body", "too_large",
    "decompression_failed", "body_incomplete", "unsupported_type", "too_complex", "poison", "internal", "lost",
}  # fmt: skip


def test_codes_are_a_public_promise() -> None:
    assert set(ERRORS) == PUBLISHED


@pytest.mark.parametrize("kind", ERRORS.values(), ids=lambda kind: kind.code)
def test_every_code_has_whole_sentences_for_people(kind: ErrorKind) -> None:
    assert error_of(kind.code) is kind
    for text in (kind.sentence, kind.hint, *(hint for _, hint in kind.by_status)):
        assert text[0].isupper() or text.startswith("wordwatch")
        assert text.endswith(".")
        assert len(text) < 120


def test_a_status_gets_the_hint_that_fits_it_best() -> None:
    http_error, blocked = ERRORS["http_error"], ERRORS["blocked"]
    hints = {status: http_error.hint_for(status) for status in (304, 404, 410, 418, 500, 999)}
    assert len(set(hints.values())) == len(hints)
    assert http_error.hint not in hints.values()
    assert http_error.hint_for(None) == http_error.hint_for(200) == http_error.hint
    assert blocked.hint_for(401) != blocked.hint_for(403) == blocked.hint


@pytest.mark.parametrize("kind", ERRORS.values(), ids=lambda kind: kind.code)
def test_a_hint_promises_another_attempt_where_one_follows(kind: ErrorKind) -> None:
    for status in (None, *range(100, 1000)):
        if kind.retry is Retry.BY_STATUS or status is None:
            promised = "by itself" in kind.hint_for(status) or "not counted" in kind.hint_for(status)
            assert promised == is_retried(kind.code, status), status


def test_the_page_of_errors_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "errors.md"
    assert page.read_text(encoding="utf-8") == errors_page.page(), "run make errors"


def test_sentences_differ() -> None:
    assert len({kind.sentence for kind in ERRORS.values()}) == len(ERRORS)


@pytest.mark.parametrize(
    ("status", "retried"),
    [
        *[(300, False), (304, False), (400, False), (404, False), (410, False), (600, False), (None, False)],
        *[(408, True), (425, True), (500, True), (502, True), (599, True)],
    ],
)
def test_http_errors_are_retried_by_their_status(status: int | None, retried: bool) -> None:
    assert is_retried("http_error", status) is retried
    error = FetchError("http_error", http_status=status)
    assert error.retryable is retried
    assert isinstance(error, Retryable if retried else Permanent)


def test_an_error_is_of_the_class_that_says_what_to_do() -> None:
    assert type(FetchError("dns_failed")) is Retryable
    assert type(FetchError("dns_not_found")) is Permanent
    assert type(FetchError("poison")) is Poison
    assert type(FetchError("too_complex")) is Poison
    assert not FetchError("poison").retryable
    for code, kind in ERRORS.items():
        assert isinstance(FetchError(code), Poison) is (kind.retry is Retry.ONCE)


def test_an_unknown_code_is_a_mistake_to_raise_but_not_to_show() -> None:
    with pytest.raises(ValueError, match="no such error code"):
        FetchError("nonsense")
    shown = error_of("code_of_a_newer_release")
    assert shown.code == "code_of_a_newer_release"
    assert shown.sentence
    assert not is_retried("code_of_a_newer_release")


@pytest.mark.parametrize(("asked", "kept"), [(None, None), (0, 0), (-5, 0), (120.5, 120.5), (3600, 3600), (1e9, 3600)])
def test_a_pause_asked_for_is_bounded(asked: float | None, kept: float | None) -> None:
    assert FetchError("rate_limited", http_status=429, retry_after_s=asked).retry_after_s == kept


def test_an_error_tells_the_log_what_was_seen() -> None:
    assert str(FetchError("http_error", http_status=404, detail="GET /a")) == "http_error (HTTP 404): GET /a"
    assert str(FetchError("dns_not_found")) == f"dns_not_found: {ERRORS['dns_not_found'].sentence}"


def test_an_error_survives_the_way_out_of_a_child_process() -> None:
    error = pickle.loads(pickle.dumps(FetchError("http_error", http_status=503, detail="x")))  # noqa: S301 - ours
    assert type(error) is Retryable
    assert (error.code, error.http_status, error.detail) == ("http_error", 503, "x")

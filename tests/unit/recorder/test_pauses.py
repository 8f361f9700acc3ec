"""Which host pauses when a server asks for fewer requests."""

import msgspec
import pytest

from services.recorder.ledger import answering_host
from shared.messages import AttemptError, PageFacts
from tests import factories


@pytest.mark.parametrize(
    ("final_url", "pausing"),
    [
        (None, "short.example"),
        ("http://short.example/x", "short.example"),
        ("https://busy.example/page", "busy.example"),
        ("http://busy.example:8080/", "busy.example:8080"),
        (f"https://busy.example/{'a' * 8000}", "busy.example"),
        ("no address", "short.example"),
    ],
)
def test_the_host_pauses_that_asked_for_it_and_not_the_one_that_led_there(final_url: str | None, pausing: str) -> None:
    check = factories.claimed(host="short.example")
    error = AttemptError(code="rate_limited", retry=True, retry_after_s=60)
    report = factories.failed(check, error=error)
    report = msgspec.structs.replace(report, facts=PageFacts(final_url=final_url))
    assert answering_host(report) == pausing

"""Which failures are tried again by themselves: the table of error codes, row by row, down to the queue."""

from datetime import timedelta

import pytest

from services.fetcher import reports
from shared.errors import ERRORS, FetchError
from shared.ids import new_id
from shared.messages import CancelCheck
from tests import factories
from tests.integration.recorder.database import Database

# A code, an HTTP status where it decides, and whether another attempt follows.
ROWS: list[tuple[str, int | None, bool]] = [
    ("invalid_url", None, False),
    ("dns_not_found", None, False),
    ("dns_failed", None, True),
    ("connect_failed", None, True),
    ("connect_timeout", None, True),
    ("tls_expired", None, False),
    ("tls_hostname", None, False),
    ("tls_failed", None, False),
    ("read_timeout", None, True),
    ("deadline_exceeded", None, True),
    ("too_many_redirects", None, False),
    ("redirect_loop", None, False),
    ("forbidden_address", None, False),
    ("robots_disallowed", None, False),
    ("rate_limited", 429, True),
    ("rate_limited", 503, True),
    ("blocked", 403, False),
    ("http_error", 404, False),
    ("http_error", 302, False),
    ("http_error", 408, True),
    ("http_error", 425, True),
    ("http_error", 500, True),
    ("http_error", 503, True),
    ("empty_body", 204, False),
    ("too_large", None, False),
    ("decompression_failed", None, False),
    ("body_incomplete", None, True),
    ("unsupported_type", None, False),
    ("internal", None, True),
]
DEATHS = {"too_complex", "poison"}  # see the tests of rule 15


def test_every_code_has_a_row() -> None:
    assert {code for code, _, _ in ROWS} | DEATHS == ERRORS.keys() - {"lost"}


@pytest.mark.parametrize(("code", "status", "again"), ROWS)
async def test_a_row_of_the_table(db: Database, code: str, status: int | None, again: bool) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    problem = FetchError(code, http_status=status)
    await db.flush(factories.failed(check, error=reports.error(problem)))
    row = await db.check(check.check_id)
    assert row["status"] == ("queued" if again else "failed")
    if again:
        pause = row["next_attempt_at"] - factories.now()
        assert timedelta(seconds=1) < pause <= timedelta(seconds=2), "2 s, less what has passed since"
        assert await db.recorder.fetchval("SELECT due_at FROM queue") == row["next_attempt_at"]
    else:
        assert await db.recorder.fetchval("SELECT error_code FROM results") == code
        assert row["next_attempt_at"] is None
    assert row["attempts"] == 1


async def test_after_three_attempts_the_last_error_stands(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    pauses = []
    for code in ("connect_failed", "read_timeout", "dns_failed"):
        await db.flush(factories.failed(check, error=reports.error(FetchError(code))))
        row = await db.check(check.check_id)
        if row["status"] == "queued":
            pauses.append((row["next_attempt_at"] - factories.now()).total_seconds())
            await db.let_pauses_pass()
            (check,) = await db.claim()
    assert (row["status"], row["attempts"]) == ("failed", 3)
    assert await db.recorder.fetchval("SELECT error_code FROM results") == "dns_failed"
    assert pauses == pytest.approx([2, 8], abs=1)


@pytest.mark.parametrize(("asked_s", "paused_s"), [(60, 60), (1, 2), (3600, 3600), (86_400, 3600)])
async def test_retry_after_holds_the_check_and_its_host(db: Database, asked_s: float, paused_s: float) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    problem = FetchError("rate_limited", http_status=429, retry_after_s=asked_s)
    await db.flush(factories.failed(check, error=reports.error(problem)))
    due_s = ((await db.check(check.check_id))["next_attempt_at"] - factories.now()).total_seconds()
    assert due_s == pytest.approx(paused_s, abs=1)
    host_s = await db.recorder.fetchval(
        "SELECT extract(epoch FROM next_start_at - clock_timestamp())::float FROM hosts"
    )
    assert host_s == pytest.approx(min(asked_s, 3600), abs=1)
    assert (await db.flush(factories.submit())).claimed == [] or asked_s <= 1, "the host's other checks wait as well"


async def test_a_host_pauses_whatever_became_of_the_check_that_was_told_to_wait(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    await db.flush(CancelCheck(id=new_id(), expires_at=factories.now() + timedelta(60), check_id=check.check_id))
    problem = FetchError("rate_limited", http_status=429, retry_after_s=60)
    await db.flush(factories.failed(check, error=reports.error(problem)))
    assert (await db.flush(factories.submit())).claimed == []

"""Checks written straight into the database, in any state and as of any time, as the recorder would leave them."""

from uuid import NAMESPACE_URL, UUID, uuid5

from shared import urls
from shared.ids import new_id
from tests.integration.gateway.stack import Stack

NEW_YEAR_MS = 1_767_225_600_000
"""The beginning of 2026, UTC."""

_ADD = """
WITH asked AS (
    INSERT INTO questions (id, same, words, scope, whole_word, case_sensitive)
    VALUES ($10::uuid, $10, $4::text[], 'text', true, false) ON CONFLICT DO NOTHING),
added AS (
    INSERT INTO checks (id, url, host, question, label, bulk, trace, status)
    VALUES ($1::uuid, $2, $3::text, $10, $5, false, '', $6::text)),
queued AS (
    INSERT INTO queue (check_id, attempt, host, bulk, due_at)
    SELECT $1, 1, $3, false, clock_timestamp() WHERE $6 = 'queued' AND NOT $7::boolean),
leased AS (
    INSERT INTO leases (check_id, attempt, host, bulk, claimed_at, not_before, not_after)
    SELECT $1, attempt, $3, false, clock_timestamp(), clock_timestamp(), clock_timestamp() + interval '1 h'
    FROM generate_series(1, 2) AS attempt WHERE $7),
given_up AS (INSERT INTO cancelled SELECT $1 WHERE $6 = 'cancelled')
INSERT INTO results (check_id, attempt, fetcher, error_code, http_status, redirects, timings_ms)
SELECT $1, 1, 'f', $8::text, $9::integer, '[]', '{}' WHERE $6 IN ('done', 'failed') OR $8::text IS NOT NULL
"""
_CHANGE = {
    "finish": "UPDATE checks SET status = 'done', finished_at = clock_timestamp() WHERE id = $1",
    "fail": "UPDATE checks SET status = 'failed', finished_at = clock_timestamp() WHERE id = $1",
    "retry": "UPDATE checks SET status = 'queued', finished_at = NULL, run = run + 1 WHERE id = $1",
    "cancel": "UPDATE checks SET status = 'cancelled', finished_at = clock_timestamp() WHERE id = $1",
}
TABLES = ("checks", "queue", "leases", "cancelled", "results", "attempts", "questions", "tallies")


async def add(
    stack: Stack,
    *,
    url: str,
    status: str = "queued",
    leased: bool = False,
    words: list[str] | None = None,
    label: str | None = None,
    error: str | None = None,
    http_status: int | None = None,
    created_ms: int | None = None,
) -> str:
    """Adds a check and what belongs to its state; returns its id."""
    id_ = new_id()
    if created_ms is not None:
        id_ = UUID(int=(created_ms << 80) | (id_.int & (1 << 80) - 1))
    host = urls.normalize(url).host_key
    asked = words or ["python"]
    question = uuid5(NAMESPACE_URL, " ".join(asked))
    await stack.execute(_ADD, id_, url, host, asked, label, status, leased, error, http_status, question)
    return str(id_)


async def change(stack: Stack, check_id: str, what: str) -> None:
    """Leaves the row of a check as a change of its state would: `finish`, `fail`, `retry` or `cancel`."""
    await stack.execute(_CHANGE[what], UUID(check_id))


async def delete(stack: Stack, check_id: str) -> None:
    """Removes a check."""
    await stack.execute("DELETE FROM checks WHERE id = $1", UUID(check_id))


async def clear(stack: Stack) -> None:
    """Removes all."""
    await stack.execute(f"TRUNCATE {', '.join(TABLES)}")

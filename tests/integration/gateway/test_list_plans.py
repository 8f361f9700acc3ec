"""That the list is read through indices, whatever it is narrowed down by and however much there is of that."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.gateway import queries
from services.gateway.list_query import list_query
from services.gateway.requests import list_request
from tests.integration.gateway.rows import NEW_YEAR_MS

ROWS = 70_000
"""One a millisecond; in `checks` and `results` about 3,150 pages of 8 KiB."""
MOST_BUFFERS = 2_000
"""For a page of 50, each row of which is looked up in two tables, after 4,000 of the newest were looked through."""

# Every 3,000th is rare in all that it is; the oldest twentieth is of a kind that has not been asked for since.
_ASK = """
INSERT INTO questions (id, same, words, scope, whole_word, case_sensitive)
SELECT md5(kind)::uuid, md5(kind)::uuid, ARRAY['python', kind], 'text', true, false
FROM (SELECT unnest(ARRAY['rare', 'old', 'common']) AS kind UNION SELECT 'h' || n FROM generate_series(0, 999) AS n) k
"""
_LOAD = """
INSERT INTO checks (id, url, host, question, label, bulk, trace, status)
SELECT (lpad(to_hex($1::bigint + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
            || '8' || substr(md5(n::text), 4, 15))::uuid,
       'http://' || host || '/' || n, host, md5(kind)::uuid, kind, false, '',
       CASE n % 3000 WHEN 1 THEN 'queued' WHEN 2 THEN 'running' WHEN 3 THEN 'cancelled' WHEN 4 THEN 'queued'
                     ELSE CASE WHEN n % 7 = 0 OR kind = 'rare' THEN 'failed' ELSE 'done' END END
FROM generate_series(1, $2::integer) AS n
CROSS JOIN LATERAL (SELECT CASE WHEN n % 3000 = 0 THEN 'rare' WHEN n < $2 / 20 THEN 'old'
                                WHEN n % 2 = 0 THEN 'common' ELSE 'h' || n % 1000 END AS kind)
CROSS JOIN LATERAL (SELECT CASE WHEN kind IN ('rare', 'old', 'common') THEN 'www.' || kind
                                ELSE kind || '.many' END AS host)
"""
_REST = """
INSERT INTO results (check_id, attempt, fetcher, error_code, http_status, redirects, timings_ms)
    SELECT id, 1, 'f', CASE WHEN label = 'rare' THEN 'poison' WHEN status = 'failed' THEN 'http_error' END,
           CASE WHEN label = 'rare' THEN 418 WHEN status = 'failed' THEN 404 ELSE 200 END, '[]', '{}'
    FROM checks WHERE status IN ('done', 'failed');
INSERT INTO queue SELECT id, 1, host, false, clock_timestamp() FROM checks WHERE status = 'queued';
INSERT INTO leases SELECT id, 1, host, false, clock_timestamp(), clock_timestamp(), clock_timestamp()
    FROM checks WHERE status = 'running';
INSERT INTO cancelled SELECT id FROM checks WHERE status = 'cancelled';
VACUUM ANALYZE
"""

FILTERS: list[dict[str, str]] = [
    {},
    *({"status": status} for status in ("queued", "running", "done", "failed", "cancelled")),
    *({"host": host} for host in ("www.rare", "www.old", "www.common", "www.none", "h7.many")),
    *({"host": host} for host in ("*.rare", "*.old", "*.common", "*.many", "*.none")),
    *({"label": label} for label in ("rare", "old", "common", "none")),
    *({"word": word} for word in ("rare", "old", "common", "none", "python")),
    *({"error": code} for code in ("poison", "http_error", "lost")),
    *({"http_status": status} for status in ("200", "404", "418", "500")),
    *({"url_prefix": prefix} for prefix in ("http://www.rare", "www.old/", "www.", "http://h7.many/", "none")),
    {"created_from": "2026-01-01T00:00:30Z"},
    {"created_to": "2026-01-01T00:00:30Z"},
    {"created_from": "2026-01-01T00:00:30Z", "created_to": "2026-01-01T00:00:30.020Z"},
    {"status": "failed", "host": "www.common"},
    {"status": "done", "host": "www.rare"},
    {"status": "queued", "word": "h1"},
    {"status": "running", "host": "*.common"},
    {"status": "cancelled", "label": "common"},
    {"status": "failed", "http_status": "404"},
    {"status": "done", "http_status": "404"},
    {"status": "failed", "http_status": "200"},
    {"status": "done", "word": "python", "host": "*.many"},
    {"word": "python", "host": "www.rare"},
    {"word": "python", "host": "www.none"},
    *({"status": status, "word": "none"} for status in ("done", "failed", "cancelled")),
    *({"status": status, "url_prefix": "http://none"} for status in ("done", "failed", "cancelled")),
    *({"status": status, "host": "*.none"} for status in ("done", "failed", "cancelled")),
    {"error": "http_error", "word": "none"},
    {"http_status": "404", "word": "none"},
    {"batch_id": "01a1fdbd-8d7a-7129-ade8-71f848e070aa"},
]


@pytest.fixture
async def loaded(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SELECT set_config('maintenance_work_mem', '64MB', false)")
        await connection.execute(_ASK)
        await connection.fetch(_LOAD, NEW_YEAR_MS, ROWS)
        for statement in _REST.split(";"):
            await connection.execute(statement)
        yield connection
    finally:
        await connection.close()


async def _buffers(connection: asyncpg.Connection, query: dict[str, str], before: UUID | None) -> int:
    """How many pages of tables and indices the list reads."""
    sql, arguments = list_query(list_request(query.items()).wanted, most=51, before=before)
    async with connection.transaction():
        await connection.execute(queries.PLAN_BY_VALUES)
        plan: Any = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments))
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])


async def test_a_page_is_read_through_an_index_whatever_the_filter(loaded: asyncpg.Connection) -> None:
    pages = await loaded.fetchval("SELECT sum(relpages) FROM pg_class WHERE relname IN ('checks', 'results')")
    assert pages > 1.5 * MOST_BUFFERS  # so that reading it all would be seen
    middle = UUID(int=(NEW_YEAR_MS + ROWS // 2) << 80)
    starts = (None, UUID(int=(NEW_YEAR_MS + 100) << 80), middle)
    read = {(str(query), before): await _buffers(loaded, query, before) for query in FILTERS for before in starts}
    assert {case: buffers for case, buffers in read.items() if buffers > MOST_BUFFERS} == {}


async def test_the_states_of_checks_are_in_no_index(database_url: str) -> None:
    """What changes must not be: then an update of a check touches no index, and stays on its page."""
    changing = "status run first_attempt last_attempt attempts lost deaths next_attempt_at started_at finished_at"
    connection = await asyncpg.connect(database_url)
    try:
        definitions = await connection.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'checks'")
    finally:
        await connection.close()
    assert definitions
    for row in definitions:
        assert not set(changing.split()) & set(row["indexdef"].replace("(", " ").replace(",", " ").split())

"""Checks by the thousand and by the million, of all kinds, written straight into the database, and filters of lists."""

import asyncpg

from tests.integration.gateway.rows import NEW_YEAR_MS

_SLICE = 250_000

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
FROM generate_series($3::integer, $4::integer) AS n
CROSS JOIN LATERAL (SELECT CASE WHEN n % 3000 = 0 THEN 'rare' WHEN n < $2::integer / 20 THEN 'old'
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
INSERT INTO cancelled SELECT id FROM checks WHERE status = 'cancelled'
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
    {"status": "running", "host": "www.common"},
    {"status": "cancelled", "label": "common"},
    {"status": "failed", "http_status": "404"},
    {"status": "done", "http_status": "404"},
    {"status": "failed", "http_status": "200"},
    {"status": "done", "word": "python", "host": "*.many"},
    {"status": "done", "url_prefix": "www.c"},
    {"word": "python", "host": "www.rare"},
    {"word": "python", "host": "www.none"},
    *({"status": status, "word": "none"} for status in ("done", "failed", "cancelled")),
    *({"status": status, "url_prefix": "http://none"} for status in ("done", "failed", "cancelled")),
    *({"status": status, "host": "*.none"} for status in ("done", "failed", "cancelled")),
    {"error": "http_error", "word": "none"},
    {"http_status": "404", "word": "none"},
    {"batch_id": "01a1fdbd-8d7a-7129-ade8-71f848e070aa"},
]


async def load(connection: asyncpg.Connection, rows: int) -> None:
    """Adds so many checks, one a millisecond from the beginning of 2026 on, with what belongs to their states."""
    await connection.execute(_ASK)
    for first in range(1, rows + 1, _SLICE):
        await connection.execute(_LOAD, NEW_YEAR_MS, rows, first, min(first + _SLICE - 1, rows))
    for statement in _REST.split(";"):
        await connection.execute(statement, timeout=3600)
    await connection.execute("VACUUM ANALYZE", timeout=3600)

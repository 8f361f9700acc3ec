"""That the list is read through indices, whatever it is narrowed down by and however much there is of that."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.gateway.list_query import list_query, plan_settings
from services.gateway.requests import list_request
from tests.integration.gateway import many_rows
from tests.integration.gateway.many_rows import FILTERS
from tests.integration.gateway.rows import NEW_YEAR_MS

ROWS = 150_000
"""One a millisecond; in `checks` and `results` about 6,750 pages of 8 KiB."""
COMMON_BUT_NOT_OF_OLD = {"status": "done", "word": "python", "host": "*.many"}
"""Of a thousand hosts, and none of the oldest twentieth: that is walked through."""
MOST_BUFFERS = 5_000
"""For a page of 50, each row of which is looked up in two tables, after the newest were looked through: 2,000 of them,
or 400 that are looked up each, which costs as much."""


@pytest.fixture
async def loaded(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SELECT set_config('maintenance_work_mem', '64MB', false)")
        await many_rows.load(connection, ROWS)
        yield connection
    finally:
        await connection.close()


async def _buffers(
    connection: asyncpg.Connection, query: dict[str, str], before: UUID | None, *, oldest_first: bool
) -> int:
    """How many pages of tables and indices the list reads."""
    wanted = list_request(query.items()).wanted
    sql, arguments = list_query(wanted, most=51, before=before, oldest_first=oldest_first)
    async with connection.transaction():
        if settings := plan_settings(wanted):
            await connection.execute(settings)
        plan: Any = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments))
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])


@pytest.mark.parametrize("oldest_first", [False, True], ids=["newest first", "oldest first"])
async def test_a_page_is_read_through_an_index_whatever_the_filter(
    loaded: asyncpg.Connection, *, oldest_first: bool
) -> None:
    pages = await loaded.fetchval("SELECT sum(relpages) FROM pg_class WHERE relname IN ('checks', 'results')")
    assert pages > 1.3 * MOST_BUFFERS  # so that reading it all would be seen
    middle = UUID(int=(NEW_YEAR_MS + ROWS // 2) << 80)
    starts = (None, UUID(int=(NEW_YEAR_MS + 100) << 80), middle)
    read = {
        (str(query), before): await _buffers(loaded, query, before, oldest_first=oldest_first)
        for query in FILTERS
        for before in starts
    }
    walked_to = {str(COMMON_BUT_NOT_OF_OLD)} if oldest_first else set()
    assert {each: read[each] for each in read if read[each] > MOST_BUFFERS and each[0] not in walked_to} == {}


BEGINNINGS = ("www.", "www.o", "www.old", "http://www.old:", "https://w", "h", "none", f"http://{'long.' * 37}")


async def test_a_page_by_the_beginning_of_a_url_has_all_that_begin_so(loaded: asyncpg.Connection) -> None:
    """Only with `h` and `www.` the newest fill the page. Two hosts are the same in all that the index has of them."""
    hosts = ("www.old", "www.old:8080", f"{'long.' * 40}a", f"{'long.' * 40}b")
    urls = [(f"{scheme}://{host}/", host) for host in hosts for scheme in ("http", "https")]
    await loaded.executemany(
        "INSERT INTO checks (id, url, host, question, bulk, trace, status)"
        " VALUES ($1, $2, $3, md5('old')::uuid, false, '', 'done')",
        [(UUID(int=number), *each) for number, each in enumerate(urls)],
    )
    for before in (UUID(int=2**128 - 1), UUID(int=(NEW_YEAR_MS + ROWS // 20 + 5_000) << 80), UUID(int=5)):
        for beginning in BEGINNINGS:
            wanted = list_request([("url_prefix", beginning)]).wanted
            sql, arguments = list_query(wanted, most=51, before=before)
            found = await loaded.fetch(sql, *arguments)
            plain = await loaded.fetch(
                "SELECT id FROM checks WHERE url ^@ ANY ($1::text[]) AND id < $2 ORDER BY id DESC LIMIT 51",
                wanted.url_prefixes,
                before,
            )
            assert [row["id"] for row in found] == [row["id"] for row in plain], (beginning, before)


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

"""Some lines of a large batch are found without reading all of it, also before the planner knows how large it is."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from services.gateway.batches import queries
from services.gateway.queries import PLAN_A_PAGE
from shared.ids import batch_id, new_id

LINES = 20_000
_FILL = """
WITH batch AS (
    INSERT INTO batches (id, question, status, total, queued, filed, trace)
    VALUES ($1::uuid, gen_random_uuid(), 'running', $2, $2, $3, '') RETURNING id)
INSERT INTO lines (batch_id, seq, line, text, url, host)
SELECT id, n, n, 'a', 'http://a/', 'a' FROM batch, generate_series(1, $2::integer) n
"""


@pytest.mark.parametrize("filed", [0, LINES])
@pytest.mark.parametrize("state", [*queries.LINES, "export"])
async def test_no_page_walks_through_all_lines(database_url: str, state: Any, filed: int) -> None:
    old, batch = batch_id(new_id()), batch_id(new_id())
    sql = queries.EXPORT if state == "export" else queries.LINES[state]
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_FILL, old, 2_000, 0)
        await connection.execute("ANALYZE lines")
        await connection.execute(_FILL, batch, LINES, filed)
        async with connection.transaction():
            await connection.execute(PLAN_A_PAGE)
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
            (told,) = json.loads(await connection.fetchval(explain, batch, LINES // 2, 50))
    finally:
        await connection.close()
    assert max(_rows(told["Plan"])) <= 50, json.dumps(told, indent=1)


def _rows(plan: dict[str, Any]) -> Iterator[float]:
    """How many rows each node of a plan has read, those included that it left out."""
    yield plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    for each in plan.get("Plans", ()):
        yield from _rows(each)

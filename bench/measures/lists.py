"""What pages of lists, statistics and a batch take where there are ten million checks."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from bench.figures import percentile
from bench.million import accepted, filed, without_fetchers
from bench.site import Site
from bench.table import Row
from services.gateway import cursors
from services.gateway.filters import EVERYTHING
from tests.acceptance.fleet import Fleet
from tests.integration.gateway import many_rows
from tests.integration.gateway.rows import NEW_YEAR_MS

ROWS = 10_000_000
LINES = 100_000
ASKED = 40
"""How often each address is asked for in a round."""
_SLOW_MS = 1_000
"""What takes longer twice is too slow, and need not be measured more exactly."""


def addresses(rows: int, batch: str) -> dict[str, dict[str, str]]:
    """Paths with their parameters: the list's first and deep pages, each of its filters, statistics, and a batch."""
    deep = cursors.encode(UUID(int=(NEW_YEAR_MS + rows // 2) << 80), belongs_to=EVERYTHING.list_name())
    first_half = datetime.fromtimestamp((NEW_YEAR_MS + rows // 2) / 1000, UTC).isoformat()
    found: dict[str, dict[str, str]] = {"deep": {"cursor": deep}, "first half": {"created_to": first_half}}
    found |= {" ".join(f"{name}={value}" for name, value in query.items()): query for query in many_rows.FILTERS}
    paths = {f"/api/v1/checks {name}": query for name, query in found.items()}
    return paths | {f"/api/v1/batches/{batch}{page}": {} for page in ("", "/lines")} | {"/api/v1/stats": {}}


async def _asked(stack: Fleet, name: str, query: dict[str, str]) -> float:
    began_s = time.perf_counter()
    async with stack.api.get(name.partition(" ")[0], params=query) as answer:
        body: dict[str, Any] = await answer.json()
        assert answer.status == 200 or body["code"] == "database_unavailable", body  # not within its deadline
    return (time.perf_counter() - began_s) * 1000


async def measure(_site: Site, rounds: int, share: float) -> list[Row]:
    """Each address in turn, again and again; the slowest of them counts."""
    rows = int(ROWS * share)
    async with without_fetchers(audited=False) as stack:  # rows for lists alone do not add up
        connection = await asyncpg.connect(stack.postgres.url)
        await connection.execute("SET maintenance_work_mem = '256MB'")
        began_s = time.monotonic()
        await many_rows.load(connection, rows)
        print(f"{rows:,} checks written in {time.monotonic() - began_s:.0f} s", flush=True)
        await connection.close()
        _, batch = await accepted(stack, LINES, hosts=1_000)
        await filed(stack)
        took_ms: dict[str, list[float]] = {}
        for name, query in addresses(rows, batch["id"]).items():
            # The first time is for plans, and for pages of tables that nobody has looked at yet.
            slow = await _asked(stack, name, query) > _SLOW_MS and await _asked(stack, name, query) > _SLOW_MS
            took_ms[name] = [await _asked(stack, name, query) for _ in range(3 if slow else ASKED * rounds)]
    p95_ms = {name: percentile(each, 0.95) for name, each in took_ms.items()}
    for name, value in sorted(p95_ms.items(), key=lambda each: -each[1])[:10]:
        print(f"{value:8.1f} ms  {name}", flush=True)
    slowest = max(p95_ms, key=lambda name: p95_ms[name])
    shown = f"{p95_ms[slowest]:.0f} ms ({slowest}; first page {p95_ms['/api/v1/checks ']:.0f} ms)"
    return [
        Row(f"lists, filters, statistics with {rows:,} checks: slowest p95, ms", p95_ms[slowest], shown, 50, 15, "less")
    ]

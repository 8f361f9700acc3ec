"""Pictures of every page with much in it: a hundred thousand checks, a batch under way, and failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.browsing import DESK, PHONE, look, visit
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.gateway import many_rows
from tests.integration.pages import PageServer, Request, Route, answer, page_server
from tests.integration.servers import eventually

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

ROWS = 100_000
PAGE = """<!doctype html><title>About snakes</title><h1>Python</h1>
<p>A python is a large snake, and Python is a language. Open source, too.</p>"""
WORDS = ["python", "open source"]


@asynccontextmanager
async def some_web() -> AsyncIterator[tuple[PageServer, asyncio.Event]]:
    gate = asyncio.Event()

    async def slow(_request: Request) -> bytes:
        await gate.wait()
        return answer(PAGE)

    routes: dict[str, Route] = {
        "/about": answer(PAGE),
        "/gone": answer("gone", 410),
        "/slow": slow,
        "/odd": answer(PAGE, 403),
    }
    async with page_server(routes) as web:
        try:
            yield web, gate
        finally:
            gate.set()


async def _batch(stack: Fleet, web: PageServer) -> str:
    """A batch of which two thirds are done, some lines have failed, and the rest waits at the gate."""
    paths = [f"/about?{n}" for n in range(130)] + [f"/gone?{n}" for n in range(12)] + [f"/odd?{n}" for n in range(5)]
    paths += [f"/slow?{n}" for n in range(60)]
    lines = [web.url(path) for path in paths] + ["ftp://example.org/", web.url("/about?1")]
    query = {"label": "partners' pages", "words": ";".join(WORDS)}
    headers = {"Content-Type": "text/plain"}
    async with stack.api.post("/api/v1/batches", data="\n".join(lines), params=query, headers=headers) as taken:
        assert taken.status == 202, await taken.text()
        batch = str((await taken.json())["id"])

    async def is_held_up() -> bool:
        async with stack.api.get(f"/api/v1/batches/{batch}") as found:
            told = await found.json()
        return bool(told["done"] == 130 and told["failed"] == 17)

    await eventually(is_held_up, timeout_s=60, what="a batch that waits for its slow pages")
    return batch


async def test_every_page_with_much_in_it_can_be_read(browser: Browser, tmp_path: Path) -> None:
    async with (
        some_web() as (web, _gate),
        # Rows for lists alone do not add up.
        fleet(host_rate_per_s=0, host_concurrency=16, audited=False, log_level="warning") as stack,
    ):
        connection = await asyncpg.connect(stack.postgres.url)
        await many_rows.load(connection, ROWS)
        await connection.close()
        batch = await _batch(stack, web)
        body = {"url": web.url("/about"), "words": WORDS, "label": "about us"}
        async with stack.api.post("/api/v1/checks", json=body, headers={"Prefer": "wait=20"}) as counted:
            assert counted.status == 200, await counted.text()
            check = (await counted.json())["id"]
        paths = {
            **{"list": "/", "failed": "/?status=failed", "filtered": "/?host=*.many&word=python"},
            **{"nothing": "/?host=nowhere.example", "check": f"/checks/{check}", "batches": "/batches"},
            **{"batch": f"/batches/{batch}", "failed-lines": f"/batches/{batch}?state=failed", "stats": "/stats"},
        }
        for kind, window in (("desk", DESK), ("phone", PHONE)):
            async with visit(browser, stack.gateways[0].url, viewport=window) as page:
                for name, path in paths.items():
                    await page.goto(path)
                    await expect(page.get_by_role("main")).to_be_visible()
                    await look(page, tmp_path, f"{kind}-{name}")

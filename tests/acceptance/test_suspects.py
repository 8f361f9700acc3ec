"""Pages that crash, hang or exhaust whoever reads them, in the whole stack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.processes import Service
from tests.integration.fetcher.hostile_pages import hostile
from tests.integration.pages import Route, answer, page_server
from tests.integration.servers import eventually

ENDS = {
    "crash": "poison",
    "abort": "poison",
    "spin": "too_complex",
    "sleep": "too_complex",
    "balloon": "too_complex",
}
NEIGHBOURS = 20


@asynccontextmanager
async def restarted(service: Service) -> AsyncIterator[list[int]]:
    """Starts a service again whenever it ends, as a supervisor does; gives its exit codes."""
    codes: list[int] = []

    async def watch() -> None:
        while True:
            if service.returncode is not None:
                codes.append(service.returncode)
                await service.kill()
                service.launch()
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield codes
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def submit(stack: Fleet, url: str) -> str:
    async with stack.api.post("/api/v1/checks", json={"url": url}) as response:
        assert response.status == 202, await response.text()
        return str((await response.json())["id"])


async def final(stack: Fleet, check_id: str, *, within_s: float) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def look() -> bool:
        async with stack.api.get(f"/api/v1/checks/{check_id}") as response:
            found.update(await response.json())
        return found["status"] in {"done", "failed"}

    await eventually(look, timeout_s=within_s, what=f"the end of {check_id}: {found}")
    return found


@pytest.mark.timeout(300)
async def test_rule_15_a_hostile_page_takes_no_neighbour_with_it() -> None:
    routes: dict[str, Route] = {f"/{deed}": answer(hostile(deed)) for deed in ENDS}
    routes["*"] = answer("<p>python")
    settings: dict[str, Any] = {"host_concurrency": 50, "host_rate_per_s": 0, "max_in_flight": 50}
    async with page_server(routes) as server, fleet(fetchers=0, **settings) as stack:
        fetcher = stack.fetcher("tests.integration.fetcher.hostile")
        await fetcher.start()
        async with restarted(fetcher) as exit_codes:
            submitted = [
                *(submit(stack, server.url(f"/{deed}")) for deed in ENDS),
                *(submit(stack, server.url(f"/{number}")) for number in range(NEIGHBOURS)),
            ]
            ids = await asyncio.gather(*submitted)
            bad, good = dict(zip(ENDS, ids, strict=False)), ids[len(ENDS) :]
            for check_id in good:
                assert (await final(stack, check_id, within_s=120))["counts"] == {"python": 1}
            for deed, check_id in bad.items():
                ended = await final(stack, check_id, within_s=120)
                assert ended["status"] == "failed", ended
                assert (deed, ended["error"]["code"]) == (deed, ENDS[deed])
            assert exit_codes != []  # at least one was read in the fetcher itself, and killed it
            after = await submit(stack, server.url("/after"))
            assert (await final(stack, after, within_s=60))["counts"] == {"python": 1}

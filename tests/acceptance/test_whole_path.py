"""All that a person does with wordwatch, in one go and in a real browser: with scripts, and without them."""

import asyncio
import csv
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from tests.acceptance.browsing import WAIT_MS, look, visit
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.pages import PageServer, Request, answer, page_server

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

PAGE = "<!doctype html><title>Words</title><p>Python, and python once more.</p>"
LINES, GONE, ODD = 1_000, 60, 20


@pytest_asyncio.fixture(loop_scope="module")
async def web() -> AsyncIterator[PageServer]:
    picture = answer(PAGE, content_type="image/png")

    async def slow(_request: Request) -> bytes:
        """So that there is some progress to see."""
        await asyncio.sleep(0.05)
        return answer(PAGE)

    async with page_server({"/article": slow, "/gone": answer("gone", 410), "/odd": picture}) as pages:
        yield pages


def addresses(web: PageServer) -> str:
    paths = [f"/article?{n}" for n in range(LINES - GONE - ODD)]
    paths += [f"/gone?{n}" for n in range(GONE)] + [f"/odd?{n}" for n in range(ODD)]
    return "\n".join(web.url(path) for path in paths)


async def shows(page: Page, place: Locator, text: str | re.Pattern[str], *, javascript: bool) -> None:
    """Waits for the text: without scripts by loading the page again, as a person would."""
    async with asyncio.timeout(3 * WAIT_MS / 1000):
        while not javascript and not re.search(text, await place.inner_text()):
            await page.reload()
    await expect(place).to_contain_text(text, timeout=3 * WAIT_MS)


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
async def test_from_one_address_to_the_statistics(
    browser: Browser, web: PageServer, tmp_path: Path, *, javascript: bool
) -> None:
    async with fleet(host_rate_per_s=0, host_concurrency=32) as stack:
        url = stack.gateways[0].url
        async with visit(browser, url, javascript=javascript, accept_downloads=True) as page:
            await _count_one(page, web, javascript=javascript)
            await _upload(page, web, javascript=javascript)
            if javascript:
                await look(page, tmp_path, "batch")
            await _retry_one_reason(page, web, javascript=javascript)
            await _export(page)
            await _read_the_statistics(page, stack)


async def _count_one(page: Page, web: PageServer, *, javascript: bool) -> None:
    await page.goto("/")
    await page.get_by_label("Address of a page").fill(web.url("/article"))
    await page.keyboard.press("Enter")
    line = page.get_by_role("row").filter(has_text=web.url("/article"))
    await shows(page, line.locator(".status"), "done", javascript=javascript)
    await expect(line.locator(".total")).to_have_text("2")


async def _upload(page: Page, web: PageServer, *, javascript: bool) -> None:
    await page.get_by_role("link", name="Batches").click()
    file = FilePayload(name="many.txt", mimeType="text/plain", buffer=addresses(web).encode())
    await page.get_by_label("A file of many addresses").set_input_files(file)
    if javascript:
        await expect(page.get_by_role("region", name="Preview")).to_contain_text(web.url("/article?0"))
    await page.get_by_role("button", name="Upload").click()
    await expect(page).to_have_url(re.compile("/batches/[0-9a-f-]{36}$"))
    seen = set[str]()
    async with asyncio.timeout(3 * WAIT_MS / 1000):
        while await page.locator(".summary .status").inner_text() != "finished":
            seen.add(await page.locator(".sum b").inner_text())
            await (asyncio.sleep(0.05) if javascript else page.reload())
    assert len(seen) >= 3, f"no progress was to be seen: {seen}"
    sums = page.get_by_role("navigation", name="Lines by state")
    await expect(sums).to_have_text(re.compile(rf"done\s+{LINES - GONE - ODD}\s+failed\s+{GONE + ODD}"))


async def _retry_one_reason(page: Page, web: PageServer, *, javascript: bool) -> None:
    reasons = page.get_by_role("region", name="Why lines failed").get_by_role("listitem")
    await expect(reasons).to_have_count(2)
    gone = reasons.filter(has_text="http_error")
    await expect(gone).to_contain_text(f"{GONE} lines")
    web.routes["/gone"] = answer(PAGE)
    await gone.get_by_role("button", name="Retry").click()
    sums = page.get_by_role("navigation", name="Lines by state")
    await shows(page, sums, re.compile(rf"done\s+{LINES - ODD}\s+failed\s+{ODD}"), javascript=javascript)
    await shows(page, page.locator(".summary .status"), "finished", javascript=javascript)
    await expect(reasons).to_have_count(1)


async def _export(page: Page) -> None:
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="CSV", exact=True).click()
    text = (await (await downloading.value).path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert [int(row["line"]) for row in rows] == list(range(1, LINES + 1))
    assert sum(int(row["total"]) for row in rows if row["total"]) == 2 * (LINES - ODD)


async def _read_the_statistics(page: Page, stack: Fleet) -> None:
    await page.get_by_role("link", name="Stats").click()
    main = page.get_by_role("main")
    await expect(main).to_contain_text(re.compile(rf"failed\s*{ODD}"))
    async with stack.api.get("/api/v1/stats") as told:
        fetcher = (await told.json())["fetchers"][0]["id"]
    await expect(main).to_contain_text(fetcher)

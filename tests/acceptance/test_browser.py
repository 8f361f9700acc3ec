"""The pages in a real browser, with scripts and without them, as a person meets them."""

import asyncio
import csv
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from services.gateway.formats import NOT_KNOWN
from tests.acceptance.browsing import DESK, PHONE, WAIT_MS, look, visit
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.pages import PageServer, Request, answer, page_server
from tests.integration.servers import eventually

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

ARTICLE = """<!doctype html><title>On snakes & words</title><h1>Python</h1>
<p>We write <b>Py</b>thon, they read python; nobody writes pythonic prose.</p><script>python</script>"""
WITH_AND_WITHOUT_SCRIPTS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])


@dataclass
class Web:
    """The pages that are counted: what they are, and a gate that the slow one waits at."""

    pages: PageServer
    gate: asyncio.Event

    def url(self, path: str) -> str:
        return self.pages.url(path)


@asynccontextmanager
async def some_web() -> AsyncIterator[Web]:
    gate = asyncio.Event()

    async def slow(_request: Request) -> bytes:
        await gate.wait()
        return answer(ARTICLE)

    async with page_server({"/article": answer(ARTICLE), "/gone": answer("gone", 410), "/slow": slow}) as pages:
        try:
            yield Web(pages, gate)
        finally:
            gate.set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(browser: Browser) -> AsyncIterator[Fleet]:
    """Asks for the browser first: without one there is no need to start anything."""
    assert browser.is_connected()
    async with fleet(host_rate_per_s=0, host_concurrency=16) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def web() -> AsyncIterator[Web]:
    async with some_web() as web:
        yield web


@pytest_asyncio.fixture(loop_scope="module")
async def empty(stack: Fleet) -> Fleet:
    """The stack, without any batch and any check of an earlier test."""
    async with stack.api.get("/api/v1/batches", params={"limit": "500"}) as found:
        batches = (await found.json())["items"]
    for batch in batches:
        async with stack.api.delete(f"/api/v1/batches/{batch['id']}") as gone:
            assert gone.status == 204
    await eventually(lambda: no_check_of_a_batch(stack), what="the batches' checks are gone")
    for check in await checks(stack):
        async with stack.api.delete(f"/api/v1/checks/{check['id']}") as gone:
            assert gone.status == 204
    return stack


def url_of(stack: Fleet) -> str:
    return stack.gateways[0].url


async def checks(stack: Fleet) -> list[dict[str, object]]:
    async with stack.api.get("/api/v1/checks", params={"limit": "500"}) as found:
        items: list[dict[str, object]] = (await found.json())["items"]
        return items


async def no_check_of_a_batch(stack: Fleet) -> bool:
    return all(check["batch_id"] is None for check in await checks(stack))


async def ask(page: Page, address: str, words: str = "") -> None:
    await page.get_by_label("Address of a page").fill(address)
    await page.get_by_label("Words or phrases").fill(words)
    await page.get_by_role("button", name="Count").click()


def row(page: Page, address: str) -> Locator:
    return page.get_by_role("row").filter(has_text=address)


async def in_the_end(page: Page, place: Locator, text: str, *, javascript: bool) -> None:
    """Waits until `place` shows `text`: without scripts by loading the page again, as a person would."""
    async with asyncio.timeout(WAIT_MS / 1000):
        while not javascript and text not in await place.inner_text():
            await page.reload()
    await expect(place).to_contain_text(text)


@WITH_AND_WITHOUT_SCRIPTS
async def test_from_the_form_to_the_count(browser: Browser, empty: Fleet, web: Web, *, javascript: bool) -> None:
    async with visit(browser, url_of(empty), javascript=javascript) as page:
        await page.goto("/")
        await page.evaluate("window.untouched = true")
        await ask(page, web.url("/article"), "python\nsnakes and words")
        await expect(page).to_have_url(f"{url_of(empty)}/")
        await page.evaluate("window.untouched = true")
        line = row(page, web.url("/article"))
        await in_the_end(page, line.locator(".status"), "done", javascript=javascript)
        await expect(line.get_by_role("cell").nth(2)).to_have_text("3")
        # With scripts it appeared in place; otherwise the page was loaded anew.
        assert await page.evaluate("window.untouched === true") or not javascript

        await line.get_by_role("link").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(web.url("/article"))
        await expect(page.locator(".sum b")).to_have_text("3")
        python, phrase = page.locator(".counts > li").all(), page.locator(".counts > li").nth(1)
        assert len(await python) == 2
        await expect(page.locator(".counts mark")).to_have_text(["Python", "Python", "python"])
        await expect(phrase.locator("b")).to_have_text("0")
        await expect(page.get_by_role("table")).to_contain_text("counted")
        await expect(page).to_have_title(f"3 – {web.url('/article')} – wordwatch")


@WITH_AND_WITHOUT_SCRIPTS
async def test_a_page_without_a_count_says_why_and_what_helps(
    browser: Browser, empty: Fleet, web: Web, *, javascript: bool
) -> None:
    async with visit(browser, url_of(empty), javascript=javascript) as page:
        await page.goto("/")
        await ask(page, web.url("/gone"))
        line = row(page, "/gone")
        await in_the_end(page, line.locator(".status"), "failed", javascript=javascript)
        await expect(line.get_by_role("cell").nth(2)).to_have_text(NOT_KNOWN)  # no count is no 0
        await line.get_by_role("link").first.click()
        notice = page.locator(".notice.bad")
        await expect(notice).to_contain_text("410")
        await notice.get_by_role("link", name="http_error").click()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await expect(page.get_by_role("main")).to_contain_text("http_error")


@WITH_AND_WITHOUT_SCRIPTS
async def test_what_is_wrong_with_the_form_stands_in_it(browser: Browser, empty: Fleet, *, javascript: bool) -> None:
    async with visit(browser, url_of(empty), javascript=javascript, errors=(422,)) as page:
        await page.goto("/")
        await ask(page, "ftp://example.org/", "kept")
        address = page.get_by_label("Address of a page")
        await expect(address).to_have_attribute("aria-invalid", "true")
        await expect(address).to_have_value("ftp://example.org/")
        await expect(address).to_be_focused()
        await expect(address).to_have_accessible_description(re.compile("only http: and https:"))
        await expect(page.get_by_label("Words or phrases")).to_have_value("kept")
    assert await checks(empty) == []


@WITH_AND_WITHOUT_SCRIPTS
async def test_a_check_is_cancelled_begun_anew_and_deleted(
    browser: Browser, empty: Fleet, web: Web, *, javascript: bool
) -> None:
    async with visit(browser, url_of(empty), javascript=javascript) as page:
        await page.goto("/")
        await ask(page, web.url("/slow"))
        await row(page, "/slow").get_by_role("link").first.click()
        status = page.locator(".summary .status")
        await page.get_by_role("button", name="Cancel").click()
        await in_the_end(page, status, "cancelled", javascript=javascript)
        await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)

        web.gate.set()
        await page.get_by_role("button", name="Check again").click()
        await in_the_end(page, status, "done", javascript=javascript)
        await expect(page.locator(".sum b")).to_have_text("3")

        await page.get_by_text("Delete", exact=True).click()
        await page.get_by_role("button", name="Delete for good").click()
        await expect(page).to_have_url(f"{url_of(empty)}/")
        await expect(page.get_by_text("Nothing has been checked yet")).to_be_visible()
    assert await checks(empty) == []


def lines_of(web: Web) -> list[str]:
    """200 lines: one waits at the gate, 20 fail, 5 are there already, and 4 are no address."""
    articles = [web.url(f"/article?{n}") for n in range(170)]
    failing = [web.url(f"/gone?{n}") for n in range(20)]
    return [*articles, *failing, web.url("/slow"), *articles[:5], *(f"ftp://example.org/{n}" for n in range(4))]


@WITH_AND_WITHOUT_SCRIPTS
async def test_a_batch_from_its_upload_to_its_results(
    browser: Browser, empty: Fleet, web: Web, *, javascript: bool
) -> None:
    async with visit(browser, url_of(empty), javascript=javascript, accept_downloads=True) as page:
        await page.goto("/")
        await page.get_by_role("link", name="Batches").click()
        table = "url,label\n" + "".join(f"{address},a page\n" for address in lines_of(web))
        file = FilePayload(name="pages.csv", mimeType="text/csv", buffer=table.encode())
        await page.get_by_label("A file of many addresses").set_input_files(file)
        await page.get_by_role("button", name="Upload").click()
        await expect(page).to_have_url(re.compile("/batches/[0-9a-f-]{36}$"))
        await page.evaluate("window.untouched = true")
        bar, status = page.get_by_role("progressbar"), page.locator(".summary .status")
        await in_the_end(page, page.locator(".sum b"), "99.5 %", javascript=javascript)
        await expect(bar).to_have_attribute("aria-valuetext", "99.5 % in a final state")
        assert await page.evaluate("window.untouched === true") or not javascript

        await page.get_by_role("button", name="Pause").click()
        await expect(status).to_have_text("paused")
        await page.get_by_role("button", name="Resume").click()
        await expect(status).to_have_text("running")
        web.gate.set()
        await in_the_end(page, status, "finished", javascript=javascript)
        sums = page.get_by_role("navigation", name="Lines by state")
        counts = "all 200 queued 0 running 0 done 171 failed 20 cancelled 0 duplicates 5 invalid 4"
        await expect(sums).to_have_text(re.compile(counts.replace(" ", r"\s+")))

        await sums.get_by_role("link", name="failed").click()
        rows = page.get_by_role("table").locator("tbody tr")
        await expect(rows).to_have_count(20)
        await expect(rows.filter(has_text="The server answered, but not with the page")).to_have_count(20)
        web.pages.routes["/gone"] = answer(ARTICLE)
        await page.get_by_role("button", name="Retry 20 failed lines").click()
        await in_the_end(page, sums, "done 191", javascript=javascript)
        await in_the_end(page, status, "finished", javascript=javascript)

        async with page.expect_download() as downloading:
            await page.get_by_role("link", name="CSV", exact=True).click()
        results = list(csv.DictReader((await (await downloading.value).path()).read_text("utf-8-sig").splitlines()))
        assert [int(row["line"]) for row in results] == list(range(2, 202))
        assert Counter(row["state"] for row in results) == {"done": 191, "duplicate": 5, "invalid": 4}

        await page.get_by_text("Delete", exact=True).click()
        await page.get_by_role("button", name="Delete for good").click()
        await expect(page.get_by_text("Nothing has been uploaded yet")).to_be_visible()


async def test_what_is_wrong_with_an_upload_stands_beside_its_form(browser: Browser, empty: Fleet) -> None:
    async with visit(browser, url_of(empty), errors=(422,)) as page:
        await page.goto("/batches")
        await page.get_by_label("Or the addresses themselves").fill("example.org")
        file = FilePayload(name="notes.docx", mimeType="application/octet-stream", buffer=b"PK")
        await page.get_by_label("A file of many addresses").set_input_files(file)
        await page.get_by_role("button", name="Upload").click()
        chosen = page.get_by_label("A file of many addresses")
        await expect(chosen).to_have_attribute("aria-invalid", "true")
        await expect(chosen).to_have_accessible_description(re.compile(".csv, .txt, .ndjson or .zip"))
        await expect(page.get_by_label("Or the addresses themselves")).to_have_value("example.org")
        await page.get_by_role("button", name="Upload").click()
        await expect(page).to_have_url(re.compile("/batches/"))


async def test_the_keyboard_is_enough(browser: Browser, empty: Fleet, web: Web) -> None:
    async with visit(browser, url_of(empty)) as page:
        await page.goto("/")
        await page.get_by_role("link", name="wordwatch").focus()
        await to(page, page.get_by_label("Address of a page"))
        await page.keyboard.type(web.url("/article"))
        await to(page, page.get_by_label("Words or phrases"))
        await page.keyboard.type("python")
        await to(page, page.locator("#ask summary"))
        await page.keyboard.press("Enter")
        await to(page, page.get_by_role("radio", name="the text a reader sees"))
        await page.keyboard.press("ArrowDown")
        await to(page, page.get_by_role("button", name="Count"))
        await page.keyboard.press("Enter")
        line = row(page, "/article")
        await expect(line.locator(".status")).to_have_text("done")
        await expect(line.get_by_role("cell").nth(2)).to_have_text("3")  # in the source: <script>python</script> too
        await to(page, line.get_by_role("link").first)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_contain_text("the source code")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{page.url.partition('#')[0]}#main")


async def to(page: Page, wanted: Locator) -> None:
    """Tab until `wanted` has the focus, and shows that it has."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(element) => element === document.activeElement"):
            outline = await wanted.evaluate("(element) => getComputedStyle(element).outlineStyle")
            assert outline != "none", f"{wanted}: no sign of the focus"
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


@WITH_AND_WITHOUT_SCRIPTS
async def test_the_stats_follow_what_happens(browser: Browser, empty: Fleet, web: Web, *, javascript: bool) -> None:
    async with visit(browser, url_of(empty), javascript=javascript) as page:
        await page.goto("/")
        await page.get_by_role("link", name="Stats").click()
        charts = page.get_by_role("img")
        await expect(charts).to_have_count(2)
        await expect(page.get_by_text("Nothing is fetched")).to_have_count(0)
        states = page.get_by_role("navigation", name="Checks by state")
        await page.get_by_text("The same in numbers").click()
        await submit(empty, web.url("/article"), words=["python"])
        await in_the_end(page, states, "all 1", javascript=javascript)
        await in_the_end(page, states, "done 1", javascript=javascript)
        if javascript:
            await expect(page.get_by_role("columnheader", name="queued then")).to_be_visible()
        await states.get_by_role("link", name="done").click()
        await expect(row(page, web.url("/article"))).to_be_visible()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures are, for people to look at: in the folder that pytest keeps of its last runs."""
    return tmp_path_factory.mktemp("pictures")


@pytest.mark.parametrize("window", [DESK, PHONE], ids=["desk", "phone"])
async def test_every_page_can_be_read(
    browser: Browser, empty: Fleet, web: Web, shots: Path, window: dict[str, int]
) -> None:
    address = web.url("/article?a-rather-long-query=" + "which-does-not-end-" * 10)
    web.pages.routes["/article"] = answer(ARTICLE.replace("On snakes", "Von Schlangen, 蛇 & ثعابين"))
    pages = {
        "done": await submit(empty, address, words=["python", "snakes and words", "蛇"], label="a label"),
        "failed": await submit(empty, web.url("/gone"), words=["python"]),
        "waiting": await submit(empty, web.url("/slow"), wait_s=0),
    }
    paths = {"list": "/", "stats": "/stats", "problems": "/docs/problems", "nowhere": "/nowhere"}
    paths |= {name: f"/checks/{check_id}" for name, check_id in pages.items()}
    batch = await upload(empty, [*lines_of(web)[::10], address, "ftp://example.org/" + "no-check" * 40])
    paths |= {"batches": "/batches", "batch": f"/batches/{batch}", "dead-letters": "/?status=failed"}
    kind = "phone" if window is PHONE else "desk"
    async with visit(browser, url_of(empty), errors=(404, 422), viewport=window) as page:
        for name, path in paths.items():
            await page.goto(path)
            await look(page, shots, f"{kind}-{name}")
        await page.goto("/")
        await page.get_by_text("Options", exact=True).click()
        await look(page, shots, f"{kind}-options")
        await ask(page, "ftp://example.org/", "kept")
        await expect(page.get_by_label("Address of a page")).to_have_attribute("aria-invalid", "true")
        await look(page, shots, f"{kind}-wrong")


async def submit(stack: Fleet, address: str, *, wait_s: int = 20, **more: object) -> str:
    headers = {"Prefer": f"wait={wait_s}"}
    async with stack.api.post("/api/v1/checks", json={"url": address, **more}, headers=headers) as done:
        assert done.status == (200 if wait_s else 202), await done.text()
        return str((await done.json())["id"])


async def upload(stack: Fleet, lines: list[str]) -> str:
    """Uploads a batch whose lines are all looked at but for those that wait; returns its id."""
    body, query = "\n".join(lines), {"label": "a label", "words": "python;蛇"}
    headers = {"Content-Type": "text/plain"}
    async with stack.api.post("/api/v1/batches", data=body.encode(), params=query, headers=headers) as taken:
        assert taken.status == 202, await taken.text()
        batch_id = str((await taken.json())["id"])

    async def has_some() -> bool:
        async with stack.api.get(f"/api/v1/batches/{batch_id}") as found:
            batch = await found.json()
        return bool(batch["done"] and batch["failed"])

    await eventually(has_some, what="some lines are done, and some have failed")
    return batch_id

"""Uploads in a real browser: dropped or chosen, looked at beforehand, and begun anew reason by reason."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.acceptance.browsing import DESK, PHONE, look, visit
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.pages import PageServer, answer, page_server

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

PAGE = "<!doctype html><title>Words</title><p>Python</p>"
DROP = """([name, contents]) => {
  const dataTransfer = new DataTransfer();
  for (const each of name.split(" ")) dataTransfer.items.add(new File([contents], each));
  const drag = (kind) => document.querySelector("footer").dispatchEvent(
    new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  drag("dragover");
  const marked = document.querySelector("#upload").hasAttribute("data-dropping");
  return [marked, drag("drop")];
}"""
TOP_OF_WORDS = "() => document.getElementById('words').getBoundingClientRect().top + scrollY"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(browser: Browser) -> AsyncIterator[Fleet]:
    """Asks for the browser first: without one there is no need to start anything."""
    assert browser.is_connected()
    async with fleet(host_rate_per_s=0, host_concurrency=16) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def web() -> AsyncIterator[PageServer]:
    picture = answer(PAGE, content_type="image/png")
    async with page_server({"/article": answer(PAGE), "/gone": answer("gone", 410), "/odd": picture}) as pages:
        yield pages


def url_of(stack: Fleet) -> str:
    return stack.gateways[0].url


def table_of(web: PageServer) -> bytes:
    """Six lines: two are counted, two are gone, one is a picture, and one is no address."""
    paths = ["/article?1", "/article?2", "/gone?1", "/gone?2", "/odd"]
    rows = [*(f"{number};{web.url(path)};python;mine" for number, path in enumerate(paths)), "5;ftp://no/;;"]
    return "\r\n".join(["id;url;words;label", *rows]).encode()


async def choose(page: Page, name: str, contents: bytes) -> None:
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=contents)
    await page.get_by_label("A file of many addresses").set_input_files(file)


async def test_from_the_preview_of_a_file_to_the_retry_of_what_failed_for_one_reason(
    browser: Browser, stack: Fleet, web: PageServer, tmp_path: Path
) -> None:
    async with visit(browser, url_of(stack)) as page:
        await page.goto("/batches")
        before = await page.evaluate(TOP_OF_WORDS)
        await choose(page, "pages.csv", table_of(web))
        preview = page.get_by_role("region", name="Preview")
        await expect(preview).to_contain_text("cells end with a semicolon")
        await expect(page.get_by_role("status")).to_have_text("Of 6 lines, 1 can’t be checked.")
        await expect(preview.get_by_role("row")).to_have_count(6)
        await expect(preview).to_contain_text("The address begins with ftp:")
        assert await page.evaluate(TOP_OF_WORDS) == before
        await look(page, tmp_path, "preview")

        await page.get_by_role("button", name="Upload").click()
        await expect(page).to_have_url(re.compile("/batches/[0-9a-f-]{36}$"))
        await expect(page.locator(".summary .status")).to_have_text("finished")
        reasons = page.get_by_role("form", name="Retry lines that failed for one reason")
        await expect(reasons.get_by_role("listitem")).to_have_count(2)
        await expect(reasons.get_by_role("link", name="2 lines")).to_have_attribute("href", re.compile("http_error"))
        web.routes["/gone"] = answer(PAGE)
        await reasons.get_by_role("button", name="Retry 2 lines: http_error").click()
        await expect(page).to_have_url(re.compile(r"/batches/[0-9a-f-]{36}\?retried="))
        await expect(page.get_by_role("status")).to_contain_text("anew")
        sums = page.get_by_role("navigation", name="Lines by state")
        await expect(sums).to_have_text(re.compile(r"done\s+4\s+failed\s+1"))
        await expect(reasons.get_by_role("listitem")).to_have_count(1)

        await page.get_by_role("table").get_by_role("link").first.click()
        done = page.url
        await page.get_by_role("button", name="Check again").click()
        await expect(page).not_to_have_url(done)
        await expect(page.locator(".sum b")).to_have_text("1")
        await expect(page.locator(".summary .label")).to_have_text("mine")


async def test_a_file_is_dropped(browser: Browser, stack: Fleet) -> None:
    async with visit(browser, url_of(stack)) as page:
        await page.goto("/batches")
        told = page.get_by_role("status")
        await expect(page.get_by_text("A file can also be dropped anywhere on this page.")).to_be_visible()
        assert await page.evaluate(DROP, ["one.txt two.txt", "example.org"]) == [True, False]
        await expect(told).to_have_text("One file at a time, please: a .zip archive can hold several.")
        assert await page.evaluate(DROP, ["pages.txt", "bücher.example\nfoo bar"]) == [True, False]
        await expect(told).to_have_text("Of 2 lines, 1 can’t be checked.")
        await expect(page.locator(".preview tbody .url")).to_have_text("http://xn--bcher-kva.example/")
        assert await page.get_by_label("A file of many addresses").evaluate("(input) => input.files[0].name") == (
            "pages.txt"
        )
        await page.get_by_role("button", name="Remove the file").click()
        await expect(page.locator(".preview")).to_have_count(0)
        await expect(page.get_by_label("A file of many addresses")).to_be_focused()

        await page.get_by_label("Or the addresses themselves").fill("example.org/1\nexample.org/2")
        await expect(told).to_have_text("2 lines can be checked.")
        await page.get_by_label("Words or phrases").fill("one;two")
        await expect(page.locator(".preview tbody .label").first).to_have_text("one")


@pytest.mark.parametrize("window", [DESK, PHONE], ids=["desk", "phone"])
async def test_what_a_preview_can_say_can_be_read(
    browser: Browser, stack: Fleet, web: PageServer, tmp_path: Path, window: dict[str, int]
) -> None:
    long = web.url("/" + "long" * 100)
    files = {
        "part.csv": b"url,words,label\n" + b"".join(b"%s?%d,a;b;c;d,x\n" % (long.encode(), n) for n in range(500)),
        "wrong.txt": b"ftp://" + b"x" * 500 + b"\nfoo bar\n" * 9,
        "pages.zip": b"PK",
        "notes.docx": b"x",
        "empty.ndjson": b"",
    }
    async with visit(browser, url_of(stack), viewport=window) as page:
        await page.goto("/batches")
        said = ""
        for name, contents in files.items():
            await choose(page, name, contents)
            await expect(page.get_by_role("status")).not_to_have_text(said)
            await expect(page.locator("#preview[aria-busy]")).to_have_count(0)
            said = await page.get_by_role("status").inner_text()
            await look(page, tmp_path, name)

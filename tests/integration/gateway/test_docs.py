"""The documentation that the gateway serves: `/docs`, and a page for each problem."""

import gzip
import html
import re
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from services.gateway.docs_page import CONTENT_SECURITY_POLICY
from services.gateway.middlewares import SECURITY_HEADERS
from services.gateway.openapi.operations import OPERATIONS
from services.gateway.problems import PROBLEMS
from shared.errors import ERRORS
from tests.acceptance.browsing import DESK, PHONE, chromium, look, visit
from tests.integration.gateway.stack import CHECKS, Stack

JSON = {"Accept": "application/json"}


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


async def _assets(stack: Stack) -> dict[str, str]:
    """The paths of all style sheets and scripts of `/docs`, by name."""
    async with stack.http.get("/docs") as answer:
        return {
            path.rpartition("/")[2]: path for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', await answer.text())
        }


async def test_without_scripts_the_operations_are_a_table(stack: Stack) -> None:
    async with stack.http.get("/docs") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        page = await answer.text()
    rows = [tuple(re.findall(r"<td>(.*?)</td>", row)) for row in re.findall(r"<tr>(<td>.*?)</tr>", page)]
    assert [tuple(_text(cell) for cell in row) for row in rows] == [
        (operation.method.upper(), operation.path, operation.summary) for operation in OPERATIONS
    ]
    for link in ("/api/v1/openapi.json", "/docs/problems"):
        assert f'href="{link}"' in page
        async with stack.http.get(link) as answer:
            assert answer.status == 200
    assert "<noscript>" in page
    assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', page) == []
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)


async def test_the_policy_of_the_page_is_wider_by_pictures_within_the_style_sheet_alone(stack: Stack) -> None:
    usual = SECURITY_HEADERS["Content-Security-Policy"]
    assert usual.replace("img-src 'self'", "img-src 'self' data:") == CONTENT_SECURITY_POLICY
    for path, policy in (("/docs", CONTENT_SECURITY_POLICY), ("/docs/problems", usual), ("/", usual)):
        async with stack.http.get(path) as answer:
            assert answer.headers.getall("Content-Security-Policy") == [policy]


async def test_what_the_page_loads_is_kept_for_ever_and_goes_compressed(stack: Stack) -> None:
    assets = await _assets(stack)
    assert {"swagger-ui-bundle.js", "swagger-ui.css", "docs.js", "docs.css", "style.css"} <= assets.keys()
    async with aiohttp.ClientSession(stack.url, auto_decompress=False) as plain:
        for path in assets.values():
            bodies, tags = {}, {}
            for accepted in ("identity", "gzip", "br, gzip;q=0.5", "gzip;q=0, *", ""):
                async with plain.get(path, headers={"Accept-Encoding": accepted}) as answer:
                    body = await answer.read()
                    assert answer.status == 200
                    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
                    coding = answer.headers.get("Content-Encoding", "identity")
                    large = len(gzip.decompress(body) if coding == "gzip" else body) >= 1024
                    assert coding == ("gzip" if "gzip" in accepted and "q=0," not in accepted and large else "identity")
                    assert answer.headers.get("Vary") == ("Accept-Encoding" if large else None)
                    bodies[coding], tags[coding] = body, answer.headers["ETag"]
            if "gzip" in bodies:
                assert gzip.decompress(bodies["gzip"]) == bodies["identity"]
                assert len(bodies["gzip"]) < len(bodies["identity"])
                assert len(set(tags.values())) == 2
            for coding, tag in tags.items():
                again = {"Accept-Encoding": coding, "If-None-Match": tag}
                async with plain.get(path, headers=again) as answer:
                    assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", tag)


async def test_each_code_has_a_page_that_says_what_it_means_and_what_to_do(stack: Stack) -> None:
    for code in sorted({*PROBLEMS, *ERRORS}):
        async with stack.http.get(f"/docs/problems/{code}") as answer:
            assert (answer.status, answer.content_type, answer.headers["Vary"]) == (200, "text/html", "Accept")
            text = _text(await answer.text())
        async with stack.http.get(f"/docs/problems/{code}", headers=JSON) as answer:
            assert (answer.status, answer.content_type, answer.headers["Vary"]) == (200, "application/json", "Accept")
            said = await answer.json()
        assert said["code"] == code
        of_whom = {meaning["of"] for meaning in said["meanings"]}
        assert of_whom >= {*(["request"] if code in PROBLEMS else []), *(["check"] if code in ERRORS else [])}
        for meaning in said["meanings"]:
            for sentence in (meaning["title"], meaning["hint"], meaning["again"]):
                assert sentence in text, code
            assert (f"HTTP {meaning['status']}" if meaning["of"] == "request" else "No count") in text


async def test_the_page_of_a_problem_names_the_requests_that_are_answered_with_it(stack: Stack) -> None:
    async with stack.http.get("/docs/problems/not_retryable", headers=JSON) as answer:
        (meaning,) = (await answer.json())["meanings"]
    assert meaning["operations"] == ["POST /api/v1/checks/{id}/retry", "POST /api/v1/batches/{id}/retry"]
    async with stack.http.get("/docs/problems/not_retryable") as answer:
        assert 'href="/docs#/Checks/retryCheck"' in await answer.text()
    async with stack.http.get("/docs/problems/internal", headers=JSON) as answer:
        ours, of_checks = (await answer.json())["meanings"]
    assert len(ours["operations"]) == len(OPERATIONS)
    assert (of_checks["of"], of_checks["status"], of_checks["operations"]) == ("check", None, [])


async def test_a_code_that_does_not_exist_has_no_page(stack: Stack) -> None:
    async with stack.http.get("/docs/problems/no_such", headers=JSON) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")


@pytest.mark.timeout(240)
async def test_in_a_browser_the_api_is_drawn_and_can_be_tried_out(stack: Stack, tmp_path: Path) -> None:
    async with chromium() as browser:
        async with visit(browser, stack.url) as page:
            await page.goto("/docs")
            await expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
            await page.locator("#operations-Checks-createCheck .opblock-summary-control").click()
            await page.get_by_role("button", name="Try it out").click()
            await page.get_by_role("button", name="Execute").click()
            came = page.locator(".live-responses-table tbody .response-col_status")
            await expect(came.first).to_contain_text("202")
            (check,) = (await stack.get(CHECKS))["items"]
            assert check["url"] == "http://example.org/"
            await expect(page.get_by_role("link", name="idempotency_key_reused")).to_be_visible()
            elsewhere = "[...document.querySelectorAll('a[href]')].filter(a => a.origin != location.origin).length"
            assert await page.evaluate(elsewhere) == 0
        for name, window in (("desk", DESK), ("phone", PHONE)):
            async with visit(browser, stack.url, viewport=window) as page:
                await page.goto("/docs#/Checks/retryCheck")  # a deep link opens what it leads to
                await expect(page.locator("#operations-Checks-retryCheck .responses-table").first).to_be_visible()
                await look(page, tmp_path, name, most_bytes=3_000_000)
                link = page.get_by_role("link", name="not_retryable")
                await expect(link).to_have_attribute("href", "/docs/problems/not_retryable")
        async with visit(browser, stack.url, javascript=False, viewport=PHONE) as page:
            await page.goto("/docs")
            await expect(page.get_by_role("row")).to_have_count(1 + len(OPERATIONS))
            await page.screenshot(path=tmp_path / "no-scripts.png", full_page=True)

"""A person with a real browser: Chromium, driven by Playwright, which tells of all that a person would be ashamed of.

async with chromium() as browser, visit(browser, stack.url) as page:
    await page.goto("/")
"""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Route, async_playwright, expect

from deploy.local.browser import ADVICE, driver, find, why_not
from shared import settings

WAIT_MS = 20_000
"""Every wait of the browser; generous, for a busy machine."""
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
REBOUND = "rebound.example"
"""A name of another site, whose owner has given it the address 127.0.0.1."""
# Nothing else can be reached, whatever a page or the browser itself would like.
_NAMES = f"MAP {REBOUND} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost"

# Text against what is behind it, as WCAG 2.2 (1.4.3) measures contrast.
_FAINT_TEXT = """() => {
  const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = c[i] / 255; return sum + weight * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    return layers.reverse().reduce((under, top) => over(top, under), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
  };
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.closest("noscript")) continue;
    const style = getComputedStyle(element), back = behind(element), front = over(rgba(style.color), back);
    const [high, low] = [light(front), light(back)].sort((a, b) => b - a), ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.add(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...faint];
}"""
_TELL_OF_THE_POLICY = """
addEventListener("securitypolicyviolation", (e) => policyBroken(`${e.effectiveDirective} ${e.blockedURI}`))
"""
MOST_BYTES = 150_000
"""Of a page with all that belongs to it, as it is sent."""
_WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter((entry) => entry.initiatorType !== "fetch" && !entry.name.includes("/api/v1/events"))
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
_AXE = {"resultTypes": ["violations"]}
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Seen:
    """What must not happen while pages are looked at."""

    faults: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    """Answers that are meant to be errors; the browser mentions those in its console."""

    def console(self, message: ConsoleMessage) -> None:
        expected = re.match(r"Failed to load resource: the server responded with a status of (\d+)", message.text)
        if expected and int(expected[1]) in self.statuses:
            return
        if message.type in {"error", "warning", "assert"}:
            self.faults.append(f"console {message.type}: {message.text}")


def chromium_path() -> Path:
    """The browser; the test is skipped where there is none, or nothing to drive it."""
    found = find(settings.from_environment().browser, os.environ.get("PATH"))
    if found is None:
        pytest.skip(f"no browser: {ADVICE}")
    failure = why_not(driver())
    if failure is not None:
        pytest.skip(f"a browser, but its driver does not run ({failure}): {ADVICE}")
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser."""
    path = chromium_path()
    # /dev/shm is tiny in containers. The sandbox is not for root.
    options = ["--disable-dev-shm-usage", f"--host-resolver-rules={_NAMES}"]
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=options, timeout=60_000)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(
    browser: Browser, url: str, *, errors: tuple[int, ...] = (), javascript: bool = True, **options: Any
) -> AsyncIterator[Page]:
    """A fresh page of a fresh profile at the site `url`; fails if anything goes wrong that a person might not see.

    That is: a script that throws, a warning or error in the console, a break of the content security policy, and a
    request to any other origin (which is not let through).

    Args:
        errors: HTTP statuses that the test wants to meet.
        javascript: whether scripts run.
        options: of the context: `color_scheme`, `viewport` …
    """
    seen = Seen(statuses=set(errors))
    origin = _origin(url)

    async def gate(route: Route) -> None:
        if _origin(route.request.url) == origin:
            await route.continue_()
        else:
            seen.faults.append(f"request to another origin: {route.request.url}")
            await route.abort()

    context = await browser.new_context(
        base_url=url, java_script_enabled=javascript, service_workers="block", **{"viewport": DESK, **options}
    )
    try:
        context.set_default_timeout(WAIT_MS)
        await context.route("**/*", gate)
        if javascript:
            await context.expose_function("policyBroken", lambda what: seen.faults.append(f"policy broken: {what}"))
            await context.add_init_script(_TELL_OF_THE_POLICY)
        context.on("console", seen.console)
        context.on("weberror", lambda error: seen.faults.append(f"script failed: {error.error}"))
        yield await context.new_page()
    finally:
        await context.close()
    assert seen.faults == []


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def look(page: Page, folder: Path, name: str, *, most_bytes: int = MOST_BYTES) -> None:
    """Takes pictures of the whole page by day and by night.

    Nothing may be cut off at the side, be too faint to read, or keep people out, as far as axe-core finds that; and all
    of the page together may weigh no more than `most_bytes`.
    """
    await page.wait_for_load_state()  # what a form leads to is there before its styles are
    assert await page.evaluate(_TOO_WIDE) <= 0, f"{name}: wider than the window"
    assert await page.evaluate(_WEIGHT) <= most_bytes, f"{name}: too heavy"
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        await page.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True, animations="disabled")
        assert await page.evaluate(_FAINT_TEXT) == [], f"{name}, {scheme}: too little contrast"
        found = await barriers(page)
        assert found == [], f"{name}, {scheme}: {found}"


async def barriers(page: Page) -> list[str]:
    """What axe-core finds serious or critical; each with its place."""
    found = (await Axe().run(page, options=_AXE)).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


expect.set_options(timeout=WAIT_MS)

"""What Chromium shows of a page when nothing but the page itself is there: no script, no style sheet, no other request.

async with chromium_reader(browser) as reader:
    seen = await reader.read(Sent(body, "text/html; charset=euc-kr"))
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import Browser, Page, Route

from tests.acceptance.browsing import WAIT_MS
from tests.integration.pages import PageServer, answer, page_server

# Scripts are kept from running by policy and not by switching scripting off: without scripting the parser reads
# `noscript` as markup, which can end the head early, and nobody who browses today sees pages that way.
# The policy also stops every request that the page would make. Style attributes are the page's own words, and apply.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

# Closed `details` are opened: innerText leaves out what a click brings up, and the rule counts it.
_READ = """() => {
  document.querySelectorAll("script, noscript, style, link[rel~=stylesheet i]").forEach((element) => element.remove());
  document.querySelectorAll("details").forEach((element) => { element.open = true; });
  return [document.body?.innerText ?? "", document.characterSet.toLowerCase()];
}"""


@dataclass(frozen=True)
class Sent:
    """A page as a server sends it.

    Attributes:
        body: its bytes.
        content_type: value of the Content-Type header.
    """

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Shown:
    """What the browser made of a page.

    Attributes:
        text: `document.body.innerText`.
        charset: `document.characterSet` in lower case.
    """

    text: str
    charset: str


class ChromiumReader:
    """Reads one page after the other in one tab."""

    def __init__(self, page: Page, server: PageServer) -> None:
        self._page = page
        self._server = server
        self._number = 0

    async def read(self, sent: Sent) -> Shown:
        """Load a page and read it.

        Raises:
            playwright.async_api.Error: the browser could not load it in time.
        """
        self._number += 1
        target = f"/{self._number}"
        page = answer(sent.body, content_type=sent.content_type, content_security_policy=_POLICY)
        self._server.routes = {target: page}
        await self._page.goto(self._server.url(target), wait_until="domcontentloaded")
        text, charset = await self._page.evaluate(_READ)
        return Shown(text, charset)

    async def gate(self, route: Route) -> None:
        """Let the page that is wanted through and nothing else; a 204 leaves the tab where it is."""
        if route.request.url == self._server.url(f"/{self._number}"):
            await route.continue_()
        else:
            await route.fulfill(status=204)


@asynccontextmanager
async def chromium_reader(browser: Browser) -> AsyncIterator[ChromiumReader]:
    """Open a tab of a fresh profile, and the server that it loads pages from."""
    async with page_server() as server:
        context = await browser.new_context(service_workers="block")
        try:
            context.set_default_timeout(WAIT_MS)
            page = await context.new_page()
            reader = ChromiumReader(page, server)
            await context.route("**/*", reader.gate)
            yield reader
        finally:
            await context.close()

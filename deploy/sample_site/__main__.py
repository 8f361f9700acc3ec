"""Serves the sample site: `python -m deploy.sample_site ADDRESS PORT`. Ends on SIGTERM."""

import asyncio
import html
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from deploy.sample_site.site import Page, pages

SLOW_S = 20
"""How long `/slow.html` takes: time to look at a check that runs, and to cancel it."""
END_WITHIN_S = 1.0


def make_app() -> web.Application:
    """The pages, a front page with links to them, and a robots.txt that allows everything."""
    app = web.Application()
    shown = pages()

    async def front(_request: web.Request) -> web.Response:
        links = "".join(f"<li><a href='/{page.path}'>{html.escape(page.shows)}</a></li>" for page in shown)
        text = f"<!DOCTYPE html><html lang=en><title>wordwatch: sample site</title><h1>Sample site</h1><ul>{links}</ul>"
        return web.Response(text=text, content_type="text/html")

    async def robots(_request: web.Request) -> web.Response:
        return web.Response(text="User-agent: *\nAllow: /\n")

    app.add_routes([web.get("/", front), web.get("/robots.txt", robots), web.get("/slow.html", _slow)])
    for page in shown:
        app.router.add_get(f"/{page.path}", _serve(page))
    return app


def _serve(page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = page.body

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": page.content_type})

    return serve


async def _slow(request: web.Request) -> web.StreamResponse:
    """A page whose words arrive one a second: nobody takes its server for dead, but it is not there for a while."""
    response = web.StreamResponse(headers={"Content-Type": "text/html; charset=utf-8"})
    await response.prepare(request)
    await response.write(b"<!DOCTYPE html><html lang=en><title>A slow page</title><p>")
    for _ in range(SLOW_S):
        await asyncio.sleep(1)
        await response.write(b"python ")
    return response


if __name__ == "__main__":
    web.run_app(
        make_app(),
        host=sys.argv[1],
        port=int(sys.argv[2]),
        access_log=None,
        print=None,
        shutdown_timeout=END_WITHIN_S,
        handler_cancellation=True,
    )

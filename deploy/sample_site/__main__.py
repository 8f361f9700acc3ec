"""Serves the sample site: `python -m deploy.sample_site ADDRESS PORT`. Ends on SIGTERM."""

import html
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from deploy.sample_site.site import Page, pages


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

    app.add_routes([web.get("/", front), web.get("/robots.txt", robots)])
    for page in shown:
        app.router.add_get(f"/{page.path}", _serve(page))
    return app


def _serve(page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = page.body

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": page.content_type})

    return serve


if __name__ == "__main__":
    web.run_app(make_app(), host=sys.argv[1], port=int(sys.argv[2]), access_log=None, print=None)

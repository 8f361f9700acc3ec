"""Serves the pages of `pages` from a process of its own, which nobody starts and kills others from.

    python -m tests.acceptance.page_server 20123

Says that it is ready, and ends when its standard input does: so with whoever started it, however that one ended.
"""

import asyncio
import socket
import struct
import sys
import time

import msgspec
import uvloop
from aiohttp import web

from tests.acceptance.pages import HOSTS, READY, RESET, SEEN, Page, Seen, html_of
from tests.integration.servers import HOST

_SILENT_S = 0.4


class PageServer:
    """Answers as each address says, and counts who asks for what."""

    def __init__(self) -> None:
        self._seen = Seen()

    async def tell(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._seen), content_type="application/json")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self._seen.began_s.append(time.monotonic())
        number, page = int(request.match_info["number"]), Page.of(request.query_string)
        before = self._seen.hits.get(number, 0)
        self._seen.hits[number] = before + 1
        status = 404 if page.gone else page.failures[before] if before < len(page.failures) else 200
        answer = web.StreamResponse(status=status or 500, headers={"Content-Type": "text/html; charset=utf-8"})
        delay_s = page.delay_s or 0.0
        try:
            while status == 200 and delay_s > _SILENT_S:  # a fetcher does not put up with silence for half its time
                await asyncio.sleep(_SILENT_S)
                delay_s -= _SILENT_S
                if not answer.prepared:
                    await answer.prepare(request)
                await answer.write(b" ")
            await asyncio.sleep(delay_s)
            self._seen.ended_s.append(time.monotonic())
            if status == RESET:
                _reset(request)
            else:
                await answer.prepare(request)
                await answer.write(html_of(number).encode())
        except ConnectionError:
            pass  # who asked has gone, or was reset
        return answer


def _reset(request: web.Request) -> None:
    if request.transport is not None:  # None: who asked has gone
        raw: socket.socket = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


async def _serve(port: int) -> None:
    server, app = PageServer(), web.Application()
    app.add_routes([web.get(r"/{number:\d+}", server.serve), web.get(SEEN, server.tell)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        for host in (HOST, *HOSTS):
            await web.TCPSite(runner, host, port, reuse_address=True).start()
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        await asyncio.to_thread(sys.stdin.buffer.read)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))

"""The pages that others are tried on: they come as their addresses say, in time, and leave nothing running."""

import asyncio
import ctypes
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest

from tests.acceptance.pages import HOSTS, RESET, Page, Site, html_of, number_of, site
from tests.integration.servers import eventually

ASK = "import sys, urllib.request as http; http.urlopen(sys.argv[1], timeout=20).read(); print('answered', flush=True)"
HOLD = """
import asyncio
from tests.acceptance.pages import site
async def main():
    async with site() as pages:
        print(pages.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def status(pages: Site, number: int) -> int:
    """Asks once: a client of HTTP would ask again by itself after a reset."""
    url = urlsplit(pages.url(number))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(f"GET {url.path}?{url.query} HTTP/1.0\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    found = int(head.split()[1])
    assert found != 200 or body.strip() == html_of(number).encode()
    return found


async def test_pages_behave_as_is_said_of_them_and_each_request_is_counted() -> None:
    async with site() as pages:
        pages.pages |= {2: Page(failures=(500, RESET)), 3: Page(gone=True), 4: Page(delay_s=0.9)}
        assert await status(pages, 1) == 200
        assert await status(pages, 2) == 500
        with pytest.raises(ConnectionResetError):
            await status(pages, 2)
        assert await status(pages, 2) == 200
        assert [await status(pages, 3) for _ in range(2)] == [404, 404]
        began_s = time.monotonic()
        assert await status(pages, 4) == 200
        assert time.monotonic() - began_s >= 0.9
        pages.delay_s = 0.5  # from now on
        assert await status(pages, 151) == 200
        seen = await pages.seen()
    assert seen.hits == {1: 1, 2: 3, 3: 2, 4: 1, 151: 1}
    assert [number_of(pages.url(number)) for number in seen.hits] == list(seen.hits)
    assert len(seen.began_s) == len(seen.ended_s) == 8
    assert seen.ended_s[-1] - seen.began_s[-1] >= 0.5
    assert began_s <= seen.began_s[-2] <= time.monotonic()


def is_answered(url: str) -> bool:
    """Whether another process gets a page while nothing at all runs in this one."""
    with subprocess.Popen([sys.executable, "-c", ASK, url], stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        told = ctypes.create_string_buffer(8)
        # Unlike any read of Python's own, this one keeps all other threads from running meanwhile.
        return bool(ctypes.PyDLL(None).read(asking.stdout.fileno(), told, 8)) and told.raw == b"answered"


async def test_a_page_comes_while_whoever_opened_the_site_stands_still() -> None:
    async with site() as pages:
        assert is_answered(pages.url(1))


async def test_a_site_ends_with_the_process_that_opened_it_even_if_that_is_killed() -> None:
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout is not None
    port = int(await holder.stdout.readline())
    _, writer = await asyncio.open_connection(HOSTS[0], port)
    writer.close()
    holder.send_signal(signal.SIGKILL)
    await holder.wait()

    async def gone() -> bool:
        try:
            _, writer = await asyncio.open_connection(HOSTS[0], port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await eventually(gone, timeout_s=20, what="the end of the pages' server")

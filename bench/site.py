"""The pages of `bench.content`, under as many loopback addresses as there are to be hosts: nginx, or our own server."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench import content, pages
from bench.peers.environment import program
from bench.processes import listening, running
from tests.integration.servers import free_port

HOSTS = 400
_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type "text/html; charset=utf-8";
    keepalive_requests 1000000;
    gzip_static on;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    server {{
        {listen}
        root {folder}/pages;
        location = /robots.txt {{ return 404; }}
    }}
}}
"""


class Site:
    """The pages, and where they are."""

    def __init__(self, port: int) -> None:
        self.port = port

    def urls(self, count: int, *, run: str, hosts: int = HOSTS) -> Iterator[str]:
        """So many addresses, no two alike, over all hosts in turn."""
        for number in range(count):
            page = number % content.PAGES
            yield f"http://{pages.host(number % hosts)}:{self.port}/{page}.html?{run}-{number}"


def _write_pages(folder: Path) -> None:
    folder.chmod(0o755)  # nginx's workers are somebody else where we are root
    (folder / "pages").mkdir()
    content.write(folder / "pages")


@asynccontextmanager
async def plain() -> AsyncIterator[Site]:
    """Serves them with our own server until the block ends: it needs nothing that is not there."""
    port = free_port()
    async with pages.serving(port, hosts=HOSTS, kind="site"):
        yield Site(port)


@asynccontextmanager
async def nginx() -> AsyncIterator[Site]:
    """Runs nginx until the block ends.

    Raises:
        LookupError: it is not installed.
    """
    command = program("nginx", "nginx-light")
    folder, port = Path(tempfile.mkdtemp(prefix="wordwatch-bench-")), free_port()
    _write_pages(folder)
    listen = " ".join(f"listen {pages.host(number)}:{port} backlog=1024;" for number in range(HOSTS))
    (folder / "nginx.conf").write_text(_CONFIG.format(folder=folder, listen=listen))
    try:
        async with running(command, "-c", str(folder / "nginx.conf"), "-p", str(folder)):
            await listening(pages.host(HOSTS - 1), port, what="nginx")
            yield Site(port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

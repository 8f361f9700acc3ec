"""Serves the sample site to fetchers that are being verified: `python -m deploy.compose.page_server PORT`.

`?wait_ms=500` lets a page take its time, so that there is work in hand when something is crashed or scaled. All other
of the query is ignored; it makes addresses differ.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deploy.sample_site.site import Page, pages

LONGEST_WAIT_S = 5.0


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024  # several fetchers come at once
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    pages: dict[str, Page] = {f"/{page.path}": page for page in pages()}  # noqa: RUF012 - it is only read

    def do_GET(self) -> None:
        """A page, `robots.txt` that allows everything, or 404."""
        address = urlsplit(self.path)
        page = self.pages.get(address.path)
        if page is not None:
            time.sleep(min(int(parse_qs(address.query).get("wait_ms", ["0"])[0]) / 1000, LONGEST_WAIT_S))
            self._answer(200, page.content_type, page.body)
        elif address.path == "/robots.txt":
            self._answer(200, "text/plain", b"User-agent: *\nAllow: /\n")
        else:
            self._answer(404, "text/plain", b"no such page\n")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: thousands of lines would be of no use."""


if __name__ == "__main__":
    _Server(("0.0.0.0", int(sys.argv[1])), _Handler).serve_forever()  # noqa: S104 - it is for the other containers

"""Requests as bytes, and answers as they come over the wire."""

import asyncio
import json
import re
from typing import Any

from services.gateway.middlewares import SECURITY_HEADERS

WITHIN_S = 20


class Answer:
    """One answer as it came over the wire."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self.body
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["type"] == f"/docs/problems/{problem['code']}"
        return str(problem["code"])

    def assert_locked_down(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            assert self.headers[name.lower()] == value
        assert self.headers["server"] == "wordwatch"
        assert self.headers["x-request-id"]


async def ask(port: int, sent: bytes, *later: bytes, timeout_s: float = WITHIN_S) -> Answer:
    """Sends raw bytes, the later ones after a moment, and reads one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(sent)
            for part in later:
                await asyncio.sleep(0.1)
                writer.write(part)
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100"):
                head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            has_body = length is not None and not sent.startswith(b"HEAD ")
            return Answer(head + (await reader.readexactly(int(length[1])) if has_body and length else b""))
    finally:
        writer.close()


def request(method: str, target: str, body: bytes = b"", /, **headers: str) -> bytes:
    given = {"Host": "localhost", "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    if body:
        given.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode() + body

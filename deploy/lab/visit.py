"""One request to the lab, and the bounds within which it may be treated badly."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from deploy.lab.doors import Doors


@dataclass(frozen=True, slots=True)
class Bounds:
    """What clients can take of the lab; what is called endless ends here.

    Attributes:
        connections: at once; more are hung up on.
        seconds: that one lasts.
        bytes: that one gets.
    """

    connections: int = 256
    seconds: float = 60.0
    bytes: int = 200 * 10**6


class SpentError(Exception):
    """A connection has had as many bytes as one may have."""


@dataclass(slots=True)
class Visit:
    """A request as it came, and the connection to answer on.

    Attributes:
        target: path and query as they stood in the request line.
        headers: by name in lower case.
        doors: where the other servers of the lab are.
        reader: what the client sends.
        writer: what it gets.
        left: bytes that it may still have.
    """

    target: str
    headers: Mapping[str, str]
    doors: Doors
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    left: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    async def send(self, data: bytes) -> None:
        """Send bytes, no faster than they are taken.

        Raises:
            SpentError: the connection has had its share.
        """
        self.left -= len(data)
        if self.left < 0:
            raise SpentError
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, piece: bytes, every_s: float = 0.2) -> None:
        """Send a piece again and again, until the client leaves or the connection's time is up."""
        while True:
            await self.send(piece)
            await asyncio.sleep(every_s)

    async def reset(self) -> None:
        """Break the connection off with a TCP RST, after what was sent has left."""
        await asyncio.sleep(0.05)  # a reset takes with it what the client has not read yet
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_client_leaves(self) -> None:
        """Say nothing until the other side hangs up or the connection's time is up."""
        with suppress(ConnectionError):
            await self.reader.read()


Route = bytes | Callable[[Visit], bytes] | Callable[[Visit], Awaitable[None]]
"""What a path answers: bytes, a function that makes them, or a coroutine that sends for itself."""

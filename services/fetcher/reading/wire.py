"""What a fetcher and its reading child say to each other, over the one socket between them.

A frame is two lengths (of its head and of its body, four bytes each, big-endian), the head as MessagePack, and the
body as it is. Only a `Task` has a body: the page.
"""

import asyncio
import socket
import struct
from typing import BinaryIO

import msgspec

from services.fetcher.counting import PageCount, Question

_LENGTHS = struct.Struct(">II")


class Task(msgspec.Struct, frozen=True, tag=True):
    """A page to be counted, with what it may take: seconds of processor, and of the clock on the wall."""

    content_type: str | None
    question: Question
    cpu_s: int
    wall_s: float


class Begun(msgspec.Struct, frozen=True, tag=True):
    """The page has been taken over: whatever kills the child from here on may be the page.

    `peak_bytes` is what the system will tell of the child's memory if it takes no more than it had before.
    """

    peak_bytes: int


class Read(msgspec.Struct, frozen=True, tag=True):
    """The count. `peak_bytes` is the most memory that the child has ever held."""

    page: PageCount
    peak_bytes: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The page has no count, by a code of `shared.errors`."""

    code: str
    detail: str
    peak_bytes: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The child failed over the page without dying of it: a fault of our own."""

    error: str
    peak_bytes: int


Answer = Read | Refused | Failed
_encoder = msgspec.msgpack.Encoder()
_task = msgspec.msgpack.Decoder(Task)
_said = msgspec.msgpack.Decoder(Begun | Read | Refused | Failed)


def pack(message: Task | Begun | Answer, body: bytes = b"") -> bytes:
    """A frame up to its body, which has to follow as it is.

    Raises:
        UnicodeEncodeError: a text in it has lone surrogates.
    """
    head = _encoder.encode(message)
    return _LENGTHS.pack(len(head), len(body)) + head


def next_task(channel: BinaryIO) -> tuple[Task, bytes] | None:
    """Waits for a page; None when there will be no more, as the other side has gone."""
    lengths = channel.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head_bytes, body_bytes = _LENGTHS.unpack(lengths)
    head, body = channel.read(head_bytes), channel.read(body_bytes)
    return (_task.decode(head), body) if len(body) == body_bytes else None


def say(channel: socket.socket, message: Begun | Answer) -> None:
    """Sends one frame to the fetcher."""
    channel.sendall(pack(message))


async def hear(reader: asyncio.StreamReader) -> Begun | Answer:
    """Waits for one frame of the child.

    Raises:
        asyncio.IncompleteReadError, ConnectionError: it has gone.
    """
    head_bytes, _ = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    said: Begun | Answer = _said.decode(await reader.readexactly(head_bytes))
    return said

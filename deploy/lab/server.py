"""The servers behind the doors: raw sockets on loopback, bounded in what one client can take of them."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from deploy.lab.doors import ADDRESS, Door, Doors
from deploy.lab.hazards import HAZARDS
from deploy.lab.heads import SSH_GREETING
from deploy.lab.statuses import ROBOTS_FILES
from deploy.lab.visit import Bounds, Route, SpentError, Visit
from deploy.lab.wire import answer

_MAX_HEAD_BYTES = 64 * 1024
_LINGER_S = 5.0
_BACKLOG = 256
_NOT_FOUND = answer("There is no such hazard: see /.", 404)
_NO_ROBOTS_FILE = answer("", 404)


def routes(front: bytes) -> dict[tuple[Door, str], Route]:
    """What answers, by door and path."""
    found: dict[tuple[Door, str], Route] = {
        (hazard.door, hazard.at.partition("?")[0]): hazard.route for hazard in HAZARDS if hazard.route is not None
    }
    found |= {(door, "/robots.txt"): ROBOTS_FILES.get(door, _NO_ROBOTS_FILE) for door in Door}
    return found | {(Door.WEB, "/"): answer(front)}


class _Servers:
    """What the doors share: the routes, and the bound on connections."""

    def __init__(
        self,
        doors: Doors,
        contexts: Mapping[Door, ssl.SSLContext],
        table: Mapping[tuple[Door, str], Route],
        bounds: Bounds,
    ) -> None:
        self._doors = doors
        self._contexts = contexts
        self._routes = table
        self._bounds = bounds
        self.tasks: set[asyncio.Task[None]] = set()

    def accept(self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self.tasks) >= self._bounds.connections:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(door, reader, writer))
        self.tasks.add(task)

        def end(_: asyncio.Task[None]) -> None:
            # Not in the task: one that is cancelled before it begins never comes to its end.
            self.tasks.discard(task)
            writer.transport.abort()

        task.add_done_callback(end)

    async def _serve(self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._bounds.seconds):
                if door.is_tls:  # in the task, so that a handshake that never ends has an owner too
                    await writer.start_tls(self._contexts[door])
                await self._talk(door, reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, SpentError):
            pass  # the client left, sent no HTTP, has had enough bytes (or, a TimeoutError, enough time)
        finally:
            writer.close()
            # What the client does not take in this time it does not get.
            with suppress(OSError):
                async with asyncio.timeout(_LINGER_S):
                    await writer.wait_closed()

    async def _talk(self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if door in {Door.SSH, Door.SILENT}:
            visit = Visit("", {}, self._doors, reader, writer, self._bounds.bytes)
            if door is Door.SSH:
                await visit.send(SSH_GREETING)
            await visit.until_client_leaves()
            return
        target, headers = await _request(reader)
        visit = Visit(target, headers, self._doors, reader, writer, self._bounds.bytes)
        route = self._routes.get((door, visit.path), _NOT_FOUND)
        made = route if isinstance(route, bytes) else route(visit)
        if inspect.isawaitable(made):
            await made
        else:
            await visit.send(made)


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """Read the target and the headers of a request.

    Raises:
        ValueError: it is no HTTP.
        IncompleteReadError, LimitOverrunError: it does not end, or is too long.
    """
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    _, target, _ = lines[0].split(" ")
    fields = (line.partition(":") for line in lines[1:] if line)
    return target, {name.lower(): value.strip() for name, _, value in fields}


async def _turns() -> None:
    """Let the loop do what is due: asyncio needs a few turns to take or end a connection, and tells of neither."""
    for _ in range(8):
        await asyncio.sleep(0)


@asynccontextmanager
async def open_doors(
    doors: Doors, contexts: Mapping[Door, ssl.SSLContext], front: bytes, bounds: Bounds
) -> AsyncIterator[None]:
    """Run all servers until the block ends; no connection outlives it.

    Args:
        doors: on which ports.
        contexts: of the doors that speak TLS.
        front: the page at `/`.
        bounds: of what clients can take.

    Raises:
        OSError: a port can't be had.
    """
    servers = _Servers(doors, contexts, routes(front), bounds)
    running: list[asyncio.Server] = []
    # Bound and not listened on: nobody else can listen there either.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as closed:
        closed.bind((ADDRESS, doors.ports[Door.CLOSED]))
        try:
            for door, port in doors.ports.items():
                if door is not Door.CLOSED:
                    accept = partial(servers.accept, door)
                    running.append(
                        await asyncio.start_server(accept, ADDRESS, port, limit=_MAX_HEAD_BYTES, backlog=_BACKLOG)
                    )
            yield
        finally:
            # No more is accepted: Python 3.11 leaks what a server has not made a transport of yet when it is closed.
            for listening in (each for server in running for each in server.sockets):
                asyncio.get_running_loop().remove_reader(listening.fileno())
            await _turns()
            for server in running:
                server.close()
            for task in list(servers.tasks):
                task.cancel()
            await asyncio.gather(*servers.tasks, return_exceptions=True)
            await _turns()  # and transports their last one

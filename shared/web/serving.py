"""Serves an aiohttp application with limits that hold for every client."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, cast

import structlog
from aiohttp import web

from shared.web.connection import Connection
from shared.web.door import Door
from shared.web.limits import Limits
from shared.web.refusals import Refuse, plain

log = structlog.get_logger(__name__)

FILES_KEPT: Final = 128
"""File descriptors that are not for clients: the database, nsqd, the ops port, log files, what a library opens."""


class CannotListenError(Exception):
    """Nobody can be let in there; the text says where, and why."""


class _Site(web.BaseSite):
    """Where connections come in through a door."""

    __slots__ = ("_door", "_host", "_port")

    def __init__(self, runner: web.AppRunner, door: Door, *, host: str, port: int) -> None:
        super().__init__(runner, backlog=door.limits.backlog)
        self._door = door
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._door, self._host, self._port, backlog=self._backlog)
        for listening in self._server.sockets:  # what it accepts has the same
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._door.limits.send_buffer_bytes)

    async def stop(self) -> None:
        self._door.stop()
        await super().stop()


async def serve(
    app: web.Application,
    *,
    hosts: Iterable[str],
    port: int,
    finish_within_s: float,
    limits: Limits | None = None,
    refuse: Refuse = plain,
    logger: logging.Logger | None = None,
) -> tuple[web.AppRunner, Door]:
    """Serves the application; the caller cleans the runner up, which lets requests under way end.

    Args:
        app: what to serve.
        hosts: addresses to listen on. Where a name had several, those that this machine has not are left out.
        port: the port on each.
        finish_within_s: how long requests under way may take at the end.
        limits: `Limits()` if None.
        refuse: makes the answers to what is refused before the application sees it.
        logger: for what goes wrong outside of handlers.

    Raises:
        CannotListenError: the port is taken, or none of the addresses is one of this machine.
    """
    limits = limits or Limits()
    limits = replace(limits, max_connections=room_for(limits.max_connections))
    # Who has left waits for nothing, so that handlers are cancelled then.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=finish_within_s)
    await runner.setup()
    server = cast(web.Server, runner.server)  # there is one after setup
    door = Door(server, options=_options(limits, logger), limits=limits, refuse=refuse)
    try:
        await _listen(runner, door, list(hosts), port)
    except BaseException:
        await runner.cleanup()
        raise
    return runner, door


def _options(limits: Limits, logger: logging.Logger | None) -> dict[str, Any]:
    """Those of `web.RequestHandler`."""
    return {
        "loop": asyncio.get_running_loop(),
        "access_log": None,
        "auto_decompress": False,  # bodies are unpacked where it is known how large they may be
        "keepalive_timeout": limits.idle_s,
        "lingering_time": limits.linger_s,
        "max_line_size": limits.max_line_bytes,
        "max_field_size": limits.max_header_bytes,
        "max_headers": limits.max_headers,
    } | ({} if logger is None else {"logger": logger})


async def _listen(runner: web.AppRunner, door: Door, hosts: list[str], port: int) -> None:
    absent: CannotListenError | None = None
    for host in hosts:
        try:
            await _Site(runner, door, host=host, port=port).start()
        except OSError as error:
            failure = CannotListenError(
                f"can't listen on {host}, port {port} ({error.strerror}): set another, or end what has it"
            )
            if error.errno != errno.EADDRNOTAVAIL:
                raise failure from error
            absent = failure
    if absent is not None and not runner.addresses:
        raise absent


def room_for(connections: int) -> int:
    """Sees to it that this process may have as many connections open, and returns how many it may have.

    The soft limit of open files (RLIMIT_NOFILE) is raised as far as needed and allowed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_KEPT
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    room = max(1, soft - FILES_KEPT)
    log.warning("fewer connections than set: the limit of open files (ulimit -n) is low", files=soft, connections=room)
    return room


@contextmanager
def awaiting_body(request: web.BaseRequest) -> Iterator[None]:
    """While a handler awaits the body of its request, the connection may have to make room for others."""
    connection = request.protocol
    if isinstance(connection, Connection):
        with connection.awaiting_body(request.content):
            yield
    else:
        yield

"""Looking names up with the system's resolver, each in a thread of its own.

`loop.getaddrinfo` shares a handful of threads (uvloop: four) between all callers, so a few names whose
servers don't answer would hold up everybody else's.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

_NEVER_EXIST: Final = (".invalid", ".onion")
"""Names that no resolver may look up (RFC 6761 §6.4, RFC 7686 §2)."""

_Lookup = Callable[..., list[tuple[Any, ...]]]


class ThreadPerLookupResolver(AbstractResolver):
    """Answers as `getaddrinfo` does. aiohttp's connector caches the answers."""

    def __init__(self, *, max_lookups: int = 64, lookup: _Lookup = socket.getaddrinfo) -> None:
        """Make a resolver.

        Args:
            max_lookups: threads at once; further lookups wait.
            lookup: what is called in the thread, with `getaddrinfo`'s arguments and results.
        """
        self._free = asyncio.Semaphore(max_lookups)
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look up the addresses of a name.

        Raises:
            socket.gaierror: with the EAI code.
        """
        if f".{host.rstrip('.')}".endswith(_NEVER_EXIST):
            raise socket.gaierror(socket.EAI_NONAME, "a name that is reserved for never existing")
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()

        def settle(found: list[tuple[Any, ...]] | BaseException) -> None:
            self._free.release()
            if answer.done():  # cancelled: nobody waits any more
                return
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def run() -> None:
            found: list[tuple[Any, ...]] | BaseException
            try:
                found = self._lookup(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
            except (OSError, ValueError) as error:
                found = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, found)

        # A lookup can't be interrupted; as a daemon it does not hold up the end of the process either.
        threading.Thread(target=run, name="dns-lookup", daemon=True).start()
        return [_result(host, info) for info in await answer]

    async def close(self) -> None:
        """Nothing is kept open."""


def _result(hostname: str, info: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, sockaddr = info
    return ResolveResult(
        hostname=hostname,
        host=sockaddr[0],
        port=sockaddr[1],
        family=family,
        proto=proto,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )

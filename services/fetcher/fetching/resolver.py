"""Looking names up with the system's resolver, each in a thread of its own.

`loop.getaddrinfo` shares a handful of threads (uvloop: four) between all callers, so a few names whose
servers don't answer would hold up everybody else's.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

_NEVER_EXIST: Final = (".invalid", ".onion")
"""Names that no resolver may look up (RFC 6761 §6.4, RFC 7686 §2)."""

MAX_PER_FAMILY: Final = 8
"""Addresses of a name that are tried. An answer has room for thousands, and its author chooses whose they are."""

_Infos = list[tuple[Any, ...]]
_Lookup = Callable[..., _Infos]


class ThreadPerLookupResolver(AbstractResolver):
    """Answers as `getaddrinfo` does. aiohttp's connector caches the answers."""

    def __init__(self, *, max_lookups: int = 64, timeout_s: float = 20.0, lookup: _Lookup = socket.getaddrinfo) -> None:
        """Make a resolver.

        Args:
            max_lookups: threads at once; further lookups wait.
            timeout_s: for one lookup, the wait for a thread included. The connector shields lookups from being
                cancelled, so those that nobody waits for any more would queue up before the others.
            lookup: what is called in the thread, with `getaddrinfo`'s arguments and results.
        """
        self._free = asyncio.Semaphore(max_lookups)
        self._timeout_s = timeout_s
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look up the addresses of a name: at most eight of each family, in the system's order.

        Raises:
            OSError: there is no answer; a `socket.gaierror` with the EAI code unless the system is short of something.
        """
        if f".{host.rstrip('.')}".endswith(_NEVER_EXIST):
            raise socket.gaierror(socket.EAI_NONAME, "a name that is reserved for never existing")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._free.acquire()
                found = await self._start(host, port, family)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {self._timeout_s:g} s") from None
        return [_result(host, info) for info in _first_of_each_family(found)]

    def _start(self, host: str, port: int, family: socket.AddressFamily) -> asyncio.Future[_Infos]:
        """Look the name up in a new thread, which gives the caller's place back when it ends."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Infos] = loop.create_future()

        def settle(found: _Infos | BaseException) -> None:
            self._free.release()
            if answer.done():  # cancelled: nobody waits any more
                return
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def run() -> None:
            found: _Infos | BaseException
            try:
                found = self._lookup(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
            except UnicodeError as error:  # getaddrinfo's codec takes fewer names than the URL standard
                found = socket.gaierror(socket.EAI_NONAME, str(error))
            except Exception as error:  # whoever waits has to hear of it, or would wait for nothing
                found = error
            with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
                loop.call_soon_threadsafe(settle, found)

        # A lookup can't be interrupted; as a daemon it does not hold up the end of the process either.
        try:
            threading.Thread(target=run, name="dns-lookup", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise OSError(errno.EAGAIN, "no thread could be started for the lookup") from error
        return answer

    async def close(self) -> None:
        """Nothing is kept open."""


def _first_of_each_family(infos: _Infos) -> Iterator[tuple[Any, ...]]:
    taken: Counter[int] = Counter()
    for info in infos:
        taken[info[0]] += 1
        if taken[info[0]] <= MAX_PER_FAMILY:
            yield info


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

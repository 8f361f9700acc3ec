"""Which nsqds there are."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
import structlog

from shared.backoff import Backoff
from shared.clock import MonotonicClock, monotonic_s
from shared.nsq.background import Background
from shared.nsq.connection import split_address

log = structlog.get_logger(__name__)

_JITTER = 0.2
_LOOKUPD_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError)


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One nsqd: where its TCP protocol and its HTTP API answer, each as `host:port`."""

    tcp: str
    http: str


class _Producer(msgspec.Struct):
    broadcast_address: str
    tcp_port: int
    http_port: int


class _Nodes(msgspec.Struct):
    producers: list[_Producer]


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _fixed(tcp: Sequence[str], http: Sequence[str]) -> frozenset[Node]:
    if http:
        return frozenset(Node(one, other) for one, other in zip(tcp, http, strict=True))
    addresses = [split_address(one) for one in tcp]
    return frozenset(Node(_join(host, port), _join(host, port + 1)) for host, port in addresses)


class Lookup:
    """The present set of nsqds: the union of what all nsqlookupds list, or fixed addresses, or both.

    Each nsqlookupd's last answer stands while it can't be asked. A node that is listed no more is still returned for
    `forget_s`: a restarted nsqlookupd knows nobody until the nsqds come back to it, which takes them up to 15 s.

    Args:
        lookupd_http: HTTP `host:port` of every nsqlookupd.
        nsqd_tcp: TCP `host:port` of nsqds that are there without being listed.
        nsqd_http: Their HTTP addresses, in the same order; left out, each is taken to be at the next higher port, as
            nsqd's own defaults 4150 and 4151 are.
        session: HTTP session to use; one of its own otherwise.
        poll_s: Pause between polls, ± 20 %.
        timeout_s: Deadline of asking one nsqlookupd.
        forget_s: See above.
        rng: Source of jitter.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        lookupd_http: Sequence[str] = (),
        nsqd_tcp: Sequence[str] = (),
        *,
        nsqd_http: Sequence[str] = (),
        session: aiohttp.ClientSession | None = None,
        poll_s: float = 2.0,
        timeout_s: float = 2.0,
        forget_s: float = 60.0,
        rng: random.Random | None = None,
        clock: MonotonicClock = monotonic_s,
    ) -> None:
        if not lookupd_http and not nsqd_tcp:
            raise ValueError("neither an nsqlookupd nor an nsqd is given")
        self._session = session
        self._owns_session = session is None
        self._poll_s = poll_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._forget_s = forget_s
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._clock = clock
        self._fixed = _fixed(nsqd_tcp, nsqd_http)
        self._answers: dict[str, frozenset[Node]] = {address: frozenset() for address in lookupd_http}
        self._silent: set[str] = set()
        self._listed: frozenset[Node] = self._fixed
        self._last_listed: dict[Node, float] = {}
        self._nodes: frozenset[Node] = self._fixed
        self._change = asyncio.Event()
        self._background = Background("nsq lookup")
        self.version = 0

    def nodes(self) -> frozenset[Node]:
        """The nsqds known now."""
        return self._nodes

    @property
    def running(self) -> bool:
        """Whether it is started and keeps itself up to date."""
        return self._background.running

    async def wait_change(self, version: int) -> int:
        """Waits until `version` is outdated: until the nodes, or which of them are listed, are not as they were then.

        Returns:
            The present version.
        """
        while self.version == version:
            await self._change.wait()
        return self.version

    async def start(self) -> None:
        """Asks once, so that nodes are known when it returns (unless nobody answers), and then goes on asking."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        await self._poll(self._session)
        self._background.start(self._keep_polling(self._session))

    async def wait(self) -> None:
        """Waits until it is stopped; raises what ended it before."""
        await self._background.wait()

    async def stop(self) -> None:
        """Stops asking; the nodes stay as they are."""
        await self._background.stop()
        if self._owns_session and self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _keep_polling(self, session: aiohttp.ClientSession) -> None:
        if not self._answers:
            await asyncio.Event().wait()  # fixed addresses never change
        hurry = Backoff(rng=self._rng, cap_s=self._poll_s)
        while True:
            if self._listed:
                hurry.reset()
                await asyncio.sleep(self._poll_s * self._rng.uniform(1 - _JITTER, 1 + _JITTER))
            else:
                await asyncio.sleep(hurry.next_s())
            await self._poll(session)

    async def _poll(self, session: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(self._ask(session, address) for address in self._answers))
        listed = self._fixed.union(*self._answers.values())
        now_s = self._clock()
        self._last_listed |= dict.fromkeys(listed, now_s)
        self._last_listed = {n: at_s for n, at_s in self._last_listed.items() if now_s - at_s < self._forget_s}
        nodes = frozenset(self._last_listed)
        if (nodes, listed) != (self._nodes, self._listed):
            log.info("nsqds", listed=sorted(n.tcp for n in listed), unlisted=sorted(n.tcp for n in nodes - listed))
            self._nodes, self._listed = nodes, listed
            self.version += 1
            self._change.set()
            self._change = asyncio.Event()

    async def _ask(self, session: aiohttp.ClientSession, address: str) -> None:
        try:
            async with session.get(f"http://{address}/nodes", timeout=self._timeout) as response:
                response.raise_for_status()
                answer = msgspec.json.decode(await response.read(), type=_Nodes)
        except _LOOKUPD_ERRORS as error:
            if address not in self._silent:
                log.warning("nsqlookupd does not answer", address=address, error=repr(error))
            self._silent.add(address)
            return
        if address in self._silent:
            log.info("nsqlookupd answers again", address=address)
            self._silent.discard(address)
        self._answers[address] = frozenset(
            Node(_join(p.broadcast_address, p.tcp_port), _join(p.broadcast_address, p.http_port))
            for p in answer.producers
        )

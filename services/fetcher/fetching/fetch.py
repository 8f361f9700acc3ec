"""One page: the chain of requests from the address asked for to the bytes of the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import aiohttp
from yarl import URL

from shared.errors import FetchError
from shared.urls import Address, InvalidUrl, normalize, resolve

from . import refresh
from .answers import content_type_of, may_be_a_wall, redirect_target, require_page
from .bot_walls import MAX_WALL_BYTES, is_wall_page
from .cookies import ChainCookies
from .download import beginning, whole
from .errors_map import CLIENT_FAILURES, to_fetch_error
from .hop import CURRENT_HOP, Hop

MAX_REDIRECTS: Final = 10
_CHALLENGE: Final = "a challenge for bots"

EnterHop = Callable[[Address, bool], AbstractAsyncContextManager[object]]
"""Called with the address of each request and whether it is the first; the request runs inside.

This is where limits per host and robots.txt belong. It may raise `FetchError`.
"""


def _no_limits(_address: Address, _first: bool) -> AbstractAsyncContextManager[object]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one fetch.

    Attributes:
        deadline_s: for everything, from the first lookup to the last byte, waits for other hosts included.
        max_bytes: of the body, on the wire and decoded.
        connect_timeout_s: for lookup, connection and TLS handshake of one request.
        read_timeout_s: longest silence while an answer is awaited or read.
    """

    deadline_s: float
    max_bytes: int
    connect_timeout_s: float
    read_timeout_s: float

    @classmethod
    def within(cls, deadline_s: float, max_bytes: int) -> FetchLimits:
        """Derive the other bounds, so that the more telling error comes before the deadline."""
        return cls(deadline_s, max_bytes, connect_timeout_s=deadline_s / 3, read_timeout_s=deadline_s / 2)


@dataclass(slots=True)
class Trail:
    """What is known of a fetch so far; whatever ends it, this can be reported.

    Attributes:
        final_url: normal form of the address last asked.
        redirects: the addresses that were redirected to, in order.
        http_status: of the last request, None while it has no answer.
        address: IP address of the last request's server; None where it may not be reached.
        content_type: the last answer's header as it came, if it had one.
        bytes: of the body, decoded.
        phases_s: time by phase, in seconds, summed over all requests.
    """

    final_url: str | None = None
    redirects: list[str] = field(default_factory=list)
    http_status: int | None = None
    address: str | None = None
    content_type: str | None = None
    bytes: int = 0
    phases_s: dict[str, float] = field(default_factory=dict)

    @property
    def timings_ms(self) -> dict[str, int]:
        """Phases `dns connect tls first_byte download` as far as they were reached, in milliseconds."""
        return {name: round(seconds * 1000) for name, seconds in self.phases_s.items()}

    def begin(self, address: Address) -> None:
        """Forget what was true of the request before."""
        self.final_url = address.url
        self.http_status = self.address = self.content_type = None
        self.bytes = 0

    def add(self, address: str | None, phases_s: Mapping[str, float]) -> None:
        """Take over what a finished or broken request has noted, or the question for robots.txt before it."""
        self.address = address
        for name, seconds in phases_s.items():
            self.phases_s[name] = self.phases_s.get(name, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page. The fields mean what they mean in `Trail`; `body` is free of Content-Encoding, never empty."""

    status: int
    final_url: str
    redirects: tuple[str, ...]
    address: str | None
    content_type: str | None
    body: bytes
    bytes: int
    timings_ms: dict[str, int]


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches pages over one session.

    Attributes:
        session: made by `client.open_session`.
        limits: bounds of each fetch.
        accepts: tells by a Content-Type header whether the body is worth downloading. Not asked when there
            is none: then the body has to tell.
        utc_now: for a Retry-After that names an instant, and for the ends of cookies.
    """

    session: aiohttp.ClientSession
    limits: FetchLimits
    accepts: Callable[[str], bool]
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def fetch(self, url: str, *, trail: Trail | None = None, enter_hop: EnterHop = _no_limits) -> Fetched:
        """Fetch one page, following redirects.

        Cancelling closes the connection.

        Args:
            url: in any spelling that `normalize` takes.
            trail: filled in on the way; worth giving, for an error tells nothing of the way there.
            enter_hop: what each request runs inside.

        Raises:
            FetchError: why there is no page.
        """
        trail = Trail() if trail is None else trail
        try:
            address = normalize(url)
        except InvalidUrl as error:
            raise FetchError("invalid_url", detail=f"the address {error.reason}") from error
        try:
            async with asyncio.timeout(self.limits.deadline_s) as deadline:
                body = await self._follow(address, trail, enter_hop)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise FetchError(
                "deadline_exceeded", http_status=trail.http_status, detail=f"after {self.limits.deadline_s} s"
            ) from error
        return Fetched(
            status=trail.http_status or 0,
            final_url=trail.final_url or address.url,
            redirects=tuple(trail.redirects),
            address=trail.address,
            content_type=trail.content_type,
            body=body,
            bytes=len(body),
            timings_ms=trail.timings_ms,
        )

    async def _follow(self, address: Address, trail: Trail, enter_hop: EnterHop) -> bytes:
        cookies = ChainCookies(self.utc_now)
        # The same address with other cookies is another question: a loop is what was asked before.
        asked = {(address.url, "")}
        first = True
        while True:
            trail.begin(address)
            async with enter_hop(address, first):
                found = await self._request(address, cookies, trail)
            if isinstance(found, bytes):
                return found
            address = found
            question = (address.url, cookies.header(address))
            if question in asked:
                raise FetchError("redirect_loop", http_status=trail.http_status, detail=address.url)
            if len(trail.redirects) == MAX_REDIRECTS:
                raise FetchError("too_many_redirects", http_status=trail.http_status, detail=address.url)
            asked.add(question)
            trail.redirects.append(address.url)
            first = False

    async def _request(self, address: Address, cookies: ChainCookies, trail: Trail) -> bytes | Address:
        """Make one request; return the body, or where it leads instead."""
        hop = Hop()
        token = CURRENT_HOP.set(hop)
        try:
            return await self._exchange(address, cookies, hop, trail)
        except CLIENT_FAILURES as error:
            raise to_fetch_error(error, hop, trail.http_status) from error
        finally:
            CURRENT_HOP.reset(token)
            trail.add(hop.address, hop.phases())

    async def _exchange(self, address: Address, cookies: ChainCookies, hop: Hop, trail: Trail) -> bytes | Address:
        cookie = cookies.header(address)
        response = await self.session.get(
            URL(address.url, encoded=True),
            headers={"Cookie": cookie} if cookie else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(connect=self.limits.connect_timeout_s, sock_read=self.limits.read_timeout_s),
        )
        try:
            hop.answered = time.perf_counter()
            if response.status < 100:
                raise FetchError("http_error", detail=f"the answer breaks the rules of HTTP: status {response.status}")
            trail.http_status = response.status
            cookies.take(address, response.headers.getall("Set-Cookie", ()))
            location = redirect_target(response.status, response.headers)
            if location is not None:
                return _next(address, location, response.status)
            await self._require_page(response)
            elsewhere = refresh.in_header(address, response.headers.get("Refresh", ""))
            return elsewhere or await self._read(address, response, hop, trail)
        finally:
            # Read to its end, the connection is kept; otherwise this closes it.
            response.release()

    async def _require_page(self, response: aiohttp.ClientResponse) -> None:
        """Let an answer pass that a page comes with; of others, look whether a bot wall made them."""
        try:
            require_page(response.status, response.headers, self.utc_now())
        except FetchError as error:
            if may_be_a_wall(error) and is_wall_page(await beginning(response, MAX_WALL_BYTES)):
                raise FetchError("blocked", http_status=response.status, detail=_CHALLENGE) from error
            raise

    async def _read(
        self, address: Address, response: aiohttp.ClientResponse, hop: Hop, trail: Trail
    ) -> bytes | Address:
        trail.content_type = content_type_of(response.headers)
        if trail.content_type is not None and not self.accepts(trail.content_type):
            raise FetchError("unsupported_type", http_status=response.status, detail=trail.content_type[:100])

        def progress(decoded: int) -> None:
            trail.bytes = decoded

        body = await whole(response, hop, self.limits.max_bytes, progress)
        if not body:
            raise FetchError("empty_body", http_status=response.status)
        if is_wall_page(body):
            raise FetchError("blocked", http_status=response.status, detail=_CHALLENGE)
        return refresh.in_page(address, trail.content_type, body) or body


def _next(address: Address, location: str, status: int) -> Address:
    try:
        return resolve(address, location)
    except InvalidUrl as error:
        raise FetchError("http_error", http_status=status, detail=f"the redirect's target {error.reason}") from error

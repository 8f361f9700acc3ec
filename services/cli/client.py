"""The API over HTTP: each request with a deadline, repeated where that is harmless and may help."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import aiohttp
from yarl import URL

from services.cli.outcomes import ApiError, Unreachable
from shared.backoff import Backoff
from shared.version import VERSION

API: Final = "/api/v1"
WITHIN_S: Final = 30.0
CONNECT_WITHIN_S: Final = 10.0
SILENT_FOR_S: Final = 60.0
"""A stream of which nothing comes for so long has broken."""
TRIES: Final = 4
LONGEST_PAUSE_S: Final = 15.0
MAX_ANSWER_BYTES: Final = 64 * 2**20
HINT_WITHIN_S: Final = 3.0

T = TypeVar("T")
Data = Callable[[], Any]
"""Makes a body, anew for each try."""


class Client:
    """Asks one server.

    Args:
        session: to ask with.
        server: its address, without a slash at the end.
        rng: for the jitter of pauses.
    """

    def __init__(self, session: aiohttp.ClientSession, server: str, *, rng: random.Random) -> None:
        self._session = session
        self.server = server
        self._rng = rng

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        data: Data | None = None,
        headers: Mapping[str, str] | None = None,
        within_s: float = WITHIN_S,
    ) -> Any:
        """Sends a request and returns the JSON of its answer; None where that has no body.

        Args:
            method: of HTTP.
            path: after `/api/v1`.
            params: the query.
            body: sent as JSON.
            data: instead of it, makes what is sent.
            headers: further ones.
            within_s: how long one try may take.

        Raises:
            ApiError: the answer is a problem.
            Unreachable: there is none.
        """

        async def once() -> Any:
            options: dict[str, Any] = {"json": body} if data is None else {"data": data()}
            timeout = aiohttp.ClientTimeout(total=within_s, sock_connect=CONNECT_WITHIN_S)
            request = self._session.request(
                method, self._url(path), params=params, headers=headers, timeout=timeout, **options
            )
            with self._told(within_s):
                async with request as answer:
                    await self._refuse_problems(answer)
                    return None if answer.status == 204 else self._parse(await self._read(answer))

        return await self._repeated(once)

    @asynccontextmanager
    async def stream(self, path: str, params: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an answer, as it comes.

        Raises:
            ApiError: the answer is a problem.
            Unreachable: there is none, or it broke off.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S, sock_read=SILENT_FOR_S)

        async def once() -> aiohttp.ClientResponse:
            with self._told(SILENT_FOR_S):
                answer = await self._session.get(self._url(path), params=params, timeout=timeout)
                try:
                    await self._refuse_problems(answer)
                except BaseException:
                    answer.close()
                    raise
                return answer

        async def chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
            with self._told(SILENT_FOR_S):
                async for chunk in answer.content.iter_any():
                    yield chunk

        async with await self._repeated(once) as answer:
            yield chunks(answer)

    async def version(self) -> tuple[Any, str | None]:
        """What runs there, and its `Date` header; asked once, with nothing tried again."""
        timeout = aiohttp.ClientTimeout(total=CONNECT_WITHIN_S)
        with self._told(CONNECT_WITHIN_S):
            async with self._session.get(self._url("/version"), timeout=timeout) as answer:
                await self._refuse_problems(answer)
                return self._parse(await self._read(answer)), answer.headers.get("Date")

    async def add_hint(self, error: ApiError) -> None:
        """Looks up what the page of a problem advises; nothing where that can't be had."""
        page = self.page_of(error)
        if page is None:
            return
        timeout = aiohttp.ClientTimeout(total=HINT_WITHIN_S)
        try:
            with self._told(HINT_WITHIN_S):
                async with self._session.get(page, headers={"Accept": "application/json"}, timeout=timeout) as answer:
                    found = self._parse(await self._read(answer))
            meanings = [each for each in found["meanings"] if each["status"] == error.status] or found["meanings"]
            error.hint = str(meanings[0]["hint"])
        except (Unreachable, KeyError, IndexError, TypeError):
            return

    def page_of(self, error: ApiError) -> str | None:
        """Where a problem is explained; None where it does not say."""
        kind = str(error.problem.get("type", ""))
        return str(URL(self.server).join(URL(kind))) if kind.startswith("/docs/") else None

    def _url(self, path: str) -> str:
        return f"{self.server}{API}{path}"

    async def _repeated(self, once: Callable[[], Awaitable[T]]) -> T:
        backoff = Backoff(rng=self._rng, first_s=0.2)
        for _ in range(TRIES - 1):
            try:
                return await once()
            except Unreachable as error:
                if not error.passing:
                    raise
                pause_s = backoff.next_s()
            except ApiError as error:
                if error.status != 503 or (error.retry_after_s or 0) > LONGEST_PAUSE_S:
                    raise
                pause_s = (error.retry_after_s or 0) + backoff.next_s()
            await asyncio.sleep(pause_s)
        return await once()

    @contextmanager
    def _told(self, within_s: float) -> Iterator[None]:
        """Turns what can happen on the way into `Unreachable`."""
        try:
            yield
        except TimeoutError:  # before OSError, which it is one of
            raise Unreachable(self.server, f"no answer within {within_s:.0f} s", passing=False) from None
        except aiohttp.InvalidURL:
            raise Unreachable(self.server, "no address that can be asked", passing=False) from None
        except aiohttp.ClientConnectorError as error:
            passing = not isinstance(error, aiohttp.ClientConnectorDNSError)
            raise Unreachable(self.server, _reason(error.os_error), passing=passing) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(self.server, f"the connection broke: {str(error) or type(error).__name__}") from None

    async def _refuse_problems(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status < 400:
            return
        text = await self._read(answer)
        try:
            problem = json.loads(text)
        except ValueError:
            problem = None
        if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
            raise self._stranger(f"{answer.status} {answer.reason}")
        after = answer.headers.get("Retry-After", "")
        raise ApiError(answer.status, problem, float(after) if after.isdecimal() else None)

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for chunk in answer.content.iter_any():
            found += chunk
            if len(found) > MAX_ANSWER_BYTES:
                raise self._stranger(f"more than {MAX_ANSWER_BYTES >> 20} MiB")
        return bytes(found)

    def _parse(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise self._stranger("something that is no JSON") from None

    def _stranger(self, what: str) -> Unreachable:
        return Unreachable(
            self.server, f"answers, but not as wordwatch does ({what}): is it the right address?", passing=False
        )


def _reason(error: OSError) -> str:
    """What a person can take from the error of a connection."""
    if isinstance(error, ConnectionRefusedError) or error.errno is None:
        return "the connection was refused" if isinstance(error, ConnectionRefusedError) else str(error)
    return error.strerror or str(error)


@asynccontextmanager
async def connected(server: str) -> AsyncIterator[Client]:
    """A client, until the block ends."""
    headers = {"User-Agent": f"wordwatch-cli/{VERSION}", "Accept": "application/json"}
    async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Client(session, server, rng=random.Random())  # noqa: S311 - jitter is no secret

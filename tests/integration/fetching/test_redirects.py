import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.fetcher.fetching.fetch import Trail
from services.fetcher.fetching.limits import HopLimits
from shared.errors import FetchError
from shared.urls import Address
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.fetching.hazards import raw
from tests.integration.pages import Request, Route, answer, page_server, redirect


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/b?x=1#here", "b?x=1", "../b?x=1", "//127.0.0.1:{port}/b?x=1"])
async def test_followed(status: int, location: str) -> None:
    async with page_server({"/b": answer("python")}) as pages, open_fetcher() as fetcher:
        pages.routes["/"] = redirect(location.format(port=pages.port), status)
        page = await fetcher.fetch(pages.url())
    assert page.body == b"python"
    assert page.status == 200
    assert page.final_url == pages.url("/b?x=1")
    assert page.redirects == (pages.url("/b?x=1"),)


async def test_ten_are_followed_and_an_eleventh_is_not() -> None:
    routes: dict[str, Route] = {f"/{number}": redirect(f"/{number + 1}") for number in range(11)}
    async with page_server({**routes, "/11": answer("python")}) as pages, open_fetcher() as fetcher:
        page = await fetcher.fetch(pages.url("/1"))
        assert len(page.redirects) == 10
        error, trail = await failure(fetcher, pages.url("/0"))
    assert error.code == "too_many_redirects"
    assert trail.redirects == [pages.url(f"/{number}") for number in range(1, 11)]
    assert trail.final_url == pages.url("/10")
    assert trail.http_status == 302


@pytest.mark.parametrize("location", ["/", "/#again", "/a", "/b"])
async def test_a_loop(location: str) -> None:
    routes: dict[str, Route] = {"/": redirect("/a"), "/a": redirect("/b"), "/b": redirect(location)}
    async with page_server(routes) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "redirect_loop"
    assert not error.retryable
    assert pages.targets() == ["/", "/a", "/b"]
    assert trail.final_url == pages.url("/b")


@pytest.mark.parametrize(
    "location",
    [
        "ftp://127.0.0.1/",
        "mailto:a@example.org",
        "javascript:alert(1)",
        "data:text/html,python",
        "file:///etc/passwd",
        "http://[::1",
        "http://u:p@127.0.0.1/",
        "//u@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http:// /",
        "/" + "x" * 8_192,
        "http://" + "x" * 64 + ".example/",
    ],
)
async def test_nowhere_to_go(location: str) -> None:
    async with page_server({"/": redirect(location)}) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "http_error"
    assert not error.retryable
    assert error.http_status == 302
    assert trail.redirects == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [None, "", " "])
async def test_no_location(status: int, location: str | None) -> None:
    lines = f"HTTP/1.1 {status} Moved\nContent-Length: 0" + ("" if location is None else f"\nLocation: {location}")
    async with page_server({"/": raw(lines, b"")}) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "http_error"
    assert error.http_status == trail.http_status == status


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("?x", "/a/b?x"),
        ("x y", "/a/x%20y"),
        ("\t/x\t", "/x"),
        ("/x\\y", "/x/y"),
        ("./././x", "/a/x"),
        ("../../../x", "/x"),
        ("/%zz%41", "/%zz%41"),
        ("/\u00e9\u4e2d", "/%C3%A9%E4%B8%AD"),
        ("/" + "x" * 8_000, "/" + "x" * 8_000),
        ("http:x", "/a/x"),
        ("/;,='\"<>", "/;,='%22%3C%3E"),
    ],
)
async def test_odd_locations(location: str, target: str) -> None:
    lines = f"HTTP/1.1 302 Found\nContent-Length: 0\nLocation: {location}".encode().decode("latin-1")

    async def once(request: Request) -> bytes:
        return raw(lines, b"") if request.target == "/a/b" else answer("python")

    async with page_server({"*": once}) as pages, open_fetcher() as fetcher:
        page = await fetcher.fetch(pages.url("/a/b"))
    assert pages.targets() == ["/a/b", target]
    assert page.final_url == pages.url(target)


async def test_a_redirect_to_a_place_within_the_page_is_a_loop() -> None:
    async with page_server({"/": redirect("#here")}) as pages, open_fetcher() as fetcher:
        error, _ = await failure(fetcher, pages.url())
    assert error.code == "redirect_loop"
    assert len(pages.requests) == 1


async def test_a_loop_with_growing_queries_ends() -> None:
    async def grow(request: Request) -> bytes:
        return redirect(f"{request.target}{'&' if '?' in request.target else '?'}x=1")

    async with page_server({"*": grow}) as pages, open_fetcher() as fetcher:
        error, _ = await failure(fetcher, pages.url())
    assert error.code == "too_many_redirects"
    assert len(pages.requests) == 11


@pytest.mark.parametrize("host", ["b\u00fccher.localhost", "xn--bcher-kva.localhost", "B\u00dcCHER.LOCALHOST."])
async def test_names_in_other_scripts(host: str) -> None:
    asked: list[str] = []

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            asked.append(host)
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

        async def close(self) -> None:
            pass

    async with page_server({"/b": answer("python")}) as pages, open_fetcher(resolver=Resolver()) as fetcher:
        lines = f"HTTP/1.1 302 Found\nContent-Length: 0\nLocation: http://{host}:{pages.port}/b"
        pages.routes["/"] = raw(lines.encode().decode("latin-1"), b"")
        page = await fetcher.fetch(pages.url())
    assert page.body == b"python"
    assert [name.rstrip(".") for name in asked] == ["xn--bcher-kva.localhost"]
    assert pages.requests[-1].headers["host"].startswith("xn--bcher-kva.localhost")


async def test_nothing_is_said_of_who_sent_us_and_who_we_are() -> None:
    async with page_server({"/b": answer("python")}) as target, page_server() as pages, open_fetcher() as fetcher:
        pages.routes["/"] = answer(status=302, location=target.url("/b"), www_authenticate="Basic realm=x")
        await fetcher.fetch(pages.url())
    for request in pages.requests + target.requests:
        assert not {"referer", "authorization", "cookie", "origin"} & set(request.headers)


async def test_bytes_that_are_no_utf8_are_sent_back_as_they_came() -> None:
    route = answer(status=302, location="/CAFE?q=CAFE", content_type="").replace(b"CAFE", b"caf\xe9")
    async with page_server({"/": route, "*": answer("python")}) as pages, open_fetcher() as fetcher:
        await fetcher.fetch(pages.url())
    assert pages.targets() == ["/", "/caf%E9?q=caf%E9"]


async def test_the_error_may_come_at_any_hop() -> None:
    routes: dict[str, Route] = {"/": redirect("/a"), "/a": answer("gone", 410)}
    async with page_server(routes) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.http_status == trail.http_status == 410
    assert trail.redirects == [pages.url("/a")]


async def test_a_broken_second_hop_has_no_status() -> None:
    async def hang_up(request: Request) -> None:
        pass

    async with page_server({"/": redirect("/a"), "/a": hang_up}) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "connect_failed"
    assert trail.http_status is None
    assert trail.final_url == pages.url("/a")


async def test_the_deadline_covers_the_whole_chain() -> None:
    async def slow(request: Request) -> bytes:
        await asyncio.sleep(0.15)
        return redirect(f"{request.target}x")

    async with page_server({"*": slow}) as pages, open_fetcher(deadline_s=0.4, read_timeout_s=0.3) as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "deadline_exceeded"
    assert 1 <= len(trail.redirects) <= 2
    assert sum(trail.timings_ms.values()) >= 380


async def test_each_hop_is_announced() -> None:
    seen: list[tuple[str, bool]] = []

    @asynccontextmanager
    async def enter(address: Address, first: bool) -> AsyncIterator[None]:
        seen.append((address.url, first))
        yield

    async with page_server({"/": redirect("/a"), "/a": answer("a")}) as pages, open_fetcher() as fetcher:
        await fetcher.fetch(pages.url(), enter_hop=enter)
    assert seen == [(pages.url(), True), (pages.url("/a"), False)]


async def test_a_hop_can_be_forbidden() -> None:
    @asynccontextmanager
    async def enter(_address: Address, first: bool) -> AsyncIterator[None]:
        if not first:
            raise FetchError("robots_disallowed")
        yield

    trail = Trail()
    async with page_server({"/": redirect("/a")}) as pages, open_fetcher() as fetcher:
        with pytest.raises(FetchError, match="robots_disallowed"):
            await fetcher.fetch(pages.url(), trail=trail, enter_hop=enter)
    assert pages.targets() == ["/"]
    assert trail.final_url == pages.url("/a")


async def test_another_host_sees_no_more_requests_at_once_than_the_limit() -> None:
    at_once = most = 0

    async def slow(request: Request) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return answer("python")

    limits = HopLimits(concurrency=2, spacing_s=0.0)
    async with page_server({"*": slow}) as target, page_server() as pages, open_fetcher() as fetcher:
        pages.routes["/"] = redirect(target.url())
        home = f"127.0.0.1:{pages.port}"
        await asyncio.gather(
            *(
                fetcher.fetch(pages.url(), enter_hop=lambda address, first: limits.hop(home, address, first=first))
                for _ in range(12)
            )
        )
    assert len(target.requests) == 12
    assert most == 2

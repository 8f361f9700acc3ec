"""Cookies live as long as one fetch, and go no further than its servers send them."""

import pytest

from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.pages import PageServer, Request, answer, page_server


def cookies_seen(pages: PageServer) -> list[tuple[str, str]]:
    return [(request.target, request.headers.get("cookie", "")) for request in pages.requests]


async def test_a_page_that_wants_its_cookie_back() -> None:
    """The usual case: without the cookie the page redirects to itself for ever."""

    async def page(request: Request) -> bytes:
        if request.headers.get("cookie") == "seen=yes":
            return answer("python")
        return answer(status=302, location="/", set_cookie="seen=yes; Path=/")

    async with page_server({"/": page}) as pages, open_fetcher() as fetcher:
        for _ in range(2):
            found = await fetcher.fetch(pages.url())
            assert found.body == b"python"
            assert found.redirects == (pages.url(),)
    assert cookies_seen(pages) == [("/", ""), ("/", "seen=yes")] * 2  # and the next fetch knows nothing of it


async def test_the_same_cookies_again_are_a_loop() -> None:
    route = answer(status=302, location="/", set_cookie="seen=yes")
    async with page_server({"/": route}) as pages, open_fetcher() as fetcher:
        error, _ = await failure(fetcher, pages.url())
    assert error.code == "redirect_loop"
    assert cookies_seen(pages) == [("/", ""), ("/", "seen=yes")]


async def test_other_cookies_each_time_end_at_the_limit() -> None:
    async def count(_: Request) -> bytes:
        return answer(status=302, location="/", set_cookie=f"visit={len(pages.requests)}")

    async with page_server({"/": count}) as pages, open_fetcher() as fetcher:
        error, _ = await failure(fetcher, pages.url())
    assert error.code == "too_many_redirects"
    assert len(pages.requests) == 11


async def test_a_detour_over_another_page() -> None:
    routes = {
        "/": answer(status=302, location="/wall"),
        "/wall": answer(status=302, location="/", set_cookie="pass=1; Path=/"),
    }

    async def home(request: Request) -> bytes:
        return answer("python") if request.headers.get("cookie") == "pass=1" else routes["/"]

    async with page_server({**routes, "/": home}) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).body == b"python"
    assert cookies_seen(pages) == [("/", ""), ("/wall", ""), ("/", "pass=1")]


async def test_another_host_sees_nothing_of_them() -> None:
    async with page_server({"/": answer("python")}) as pages, open_fetcher() as fetcher:
        pages.routes["/a"] = answer(
            status=302, location=pages.url("/", host="localhost"), set_cookie="id=1; Path=/; Domain=localhost"
        )
        await fetcher.fetch(pages.url("/a"))
    assert cookies_seen(pages) == [("/a", ""), ("/", "")]


@pytest.mark.parametrize("name", ["refresh", "body"])
async def test_they_are_kept_over_a_refresh(name: str) -> None:
    body = "<meta http-equiv=refresh content=0;/b>" if name == "body" else ""
    header = "0;url=/b" if name == "refresh" else ""
    routes = {"/": answer(body, set_cookie="id=1; Path=/", refresh=header), "/b": answer("python")}
    async with page_server({**routes}) as pages, open_fetcher() as fetcher:
        await fetcher.fetch(pages.url())
    assert cookies_seen(pages) == [("/", ""), ("/b", "id=1")]


async def test_bytes_and_bounds() -> None:
    fields = [b"Set-Cookie: a=\xc3\xa9", b"Set-Cookie: b=\xff", b'Set-Cookie: c="x y"', b"Set-Cookie: d=" + b"x" * 5000]
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /b\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"
    async with page_server({"/": head, "/b": answer("python")}) as pages, open_fetcher() as fetcher:
        await fetcher.fetch(pages.url())
    assert pages.requests[1].headers["cookie"].encode("latin-1") == b'a=\xc3\xa9; c="x y"'


async def test_a_flood_of_them_is_cut() -> None:
    head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /b\r\n"
    head += "".join(f"Set-Cookie: c{number}={'x' * 1000}\r\n" for number in range(100)) + "\r\n"
    async with page_server({"/": head.encode(), "/b": answer("python")}) as pages, open_fetcher() as fetcher:
        await fetcher.fetch(pages.url())
    assert 7000 < len(pages.requests[1].headers["cookie"]) <= 8192

"""Pages that send their readers on by themselves."""

import gzip

import pytest

from services.fetcher.fetching.fetch import Trail
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.pages import Request, Route, answer, page_server, redirect


def refresh(target: str, delay: str = "0") -> bytes:
    return answer(f'<!doctype html><title>Moved</title><meta http-equiv="refresh" content="{delay};url={target}">')


async def test_followed_and_told() -> None:
    routes: dict[str, Route] = {"/": redirect("/a"), "/a": refresh("b?x=1&amp;y=2"), "/b": answer("python")}
    async with page_server(routes) as pages, open_fetcher() as fetcher:
        trail = Trail()
        page = await fetcher.fetch(pages.url(), trail=trail)
    assert page.body == b"python"
    assert page.final_url == pages.url("/b?x=1&y=2")
    assert page.redirects == (pages.url("/a"), pages.url("/b?x=1&y=2"))
    assert trail.bytes == 6
    assert pages.connections == 1


async def test_by_a_header_without_reading_the_body() -> None:
    routes: dict[str, Route] = {"/": answer("soon", refresh="0; url=/b"), "/b": answer("python")}
    async with page_server(routes) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).body == b"python"


@pytest.mark.parametrize(
    "page",
    [
        refresh("/b", delay="5"),
        refresh("/"),
        refresh(""),
        refresh("javascript:go()"),
        answer("<noscript><meta http-equiv=refresh content='0;/b'></noscript>python"),
        answer("<meta http-equiv=refresh content='0;/b'>", content_type="text/plain"),
        answer("python", refresh="5;url=/b"),
        answer("python", refresh="0;url=/"),
        answer("python", refresh="0"),
    ],
)
async def test_the_page_is_the_page(page: bytes) -> None:
    async with page_server({"/": page, "/b": answer("elsewhere")}) as pages, open_fetcher() as fetcher:
        found = await fetcher.fetch(pages.url())
    assert found.body == page.partition(b"\r\n\r\n")[2]
    assert found.redirects == ()
    assert pages.targets() == ["/"]


async def test_loops_and_limits_are_the_same_as_for_redirects() -> None:
    async def onward(request: Request) -> bytes:
        return refresh(f"{request.target}x")

    routes: dict[str, Route] = {"/a": refresh("/b"), "/b": redirect("/a"), "*": onward}
    async with page_server(routes) as pages, open_fetcher() as fetcher:
        error, _ = await failure(fetcher, pages.url("/a"))
        assert error.code == "redirect_loop"
        assert error.http_status == 302
        error, _ = await failure(fetcher, pages.url("/x"))
        assert error.code == "too_many_redirects"
        assert error.http_status == 200
    assert len(pages.requests) == 2 + 11


async def test_into_the_own_network_it_is_refused_like_any_redirect() -> None:
    async with page_server({"/": refresh("http://10.0.0.1/")}) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "forbidden_address"
    assert trail.address is None


async def test_a_compressed_page_in_utf_16() -> None:
    markup = "\ufeff<meta http-equiv=refresh content='0;url=/b'>".encode("utf-16-le")
    routes: dict[str, Route] = {"/": answer(gzip.compress(markup), content_encoding="gzip"), "/b": answer("python")}
    async with page_server(routes) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).body == b"python"

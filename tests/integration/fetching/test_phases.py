"""A fetch tells where its time went: which phases were reached, and how long each took."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from services.fetcher.fetching.fetch import Trail
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.pages import Request, answer, page_server, redirect


class SlowNames(AbstractResolver):
    """Takes its time, and says that each name is at the given addresses."""

    def __init__(self, *addresses: str, delay_s: float = 0.0) -> None:
        self.addresses = addresses or ("127.0.0.1",)
        self.delay_s = delay_s
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        await asyncio.sleep(self.delay_s)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def silence(request: Request) -> None:
    await request.until_client_leaves()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, str(path)


def server_of(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_a_forbidden_address_was_not_connected_to() -> None:
    async with open_fetcher(resolver=SlowNames("10.0.0.1", delay_s=0.03)) as fetcher:
        error, trail = await failure(fetcher, "http://intranet.example/")
    assert error.code == "forbidden_address"
    assert set(trail.timings_ms) == {"dns"}
    assert trail.timings_ms["dns"] >= 25
    assert trail.address is None


async def test_one_forbidden_address_beside_one_that_is_not() -> None:
    async with (
        page_server({"/": answer("python")}) as pages,
        open_fetcher(allow=f"127.0.0.1:{pages.port}", resolver=SlowNames("10.0.0.1", "127.0.0.1")) as fetcher,
    ):
        page = await fetcher.fetch(pages.url(host="both.example"))
    assert set(page.timings_ms) == {"dns", "connect", "first_byte", "download"}
    assert page.address == "127.0.0.1"


async def test_a_name_that_takes_too_long() -> None:
    async with open_fetcher(resolver=SlowNames(delay_s=5), connect_timeout_s=0.1) as fetcher:
        error, trail = await failure(fetcher, "http://slow.example/")
    assert error.code == "dns_failed"
    assert set(trail.timings_ms) == {"dns"}
    assert trail.timings_ms["dns"] >= 90


async def test_a_connection_that_takes_too_long() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # a full backlog lets further connections wait
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        try:
            async with open_fetcher(connect_timeout_s=0.1) as fetcher:
                error, trail = await failure(fetcher, f"http://127.0.0.1:{full.getsockname()[1]}/")
        finally:
            for filler in fillers:
                filler.close()
    assert error.code == "connect_timeout"
    assert set(trail.timings_ms) == {"dns", "connect"}
    assert trail.timings_ms["connect"] >= 50


async def test_a_refused_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with open_fetcher() as fetcher:
            _, trail = await failure(fetcher, f"http://127.0.0.1:{nobody.getsockname()[1]}/")
    assert set(trail.timings_ms) == {"dns", "connect"}


@pytest.mark.parametrize("piece", [b"", b"\x16\x03\x01"])
async def test_a_handshake_that_takes_too_long(authority: tuple[trustme.CA, str], piece: bytes) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(piece)  # a record that begins and does not end
        await reader.read()
        await reader.read()

    async with page_server() as pages, open_fetcher(ca_file=authority[1], connect_timeout_s=0.1) as fetcher:
        pages.talk = stall
        error, trail = await failure(fetcher, f"https://127.0.0.1:{pages.port}/")
    assert error.code == "connect_timeout"
    assert set(trail.timings_ms) == {"dns", "connect", "tls"}
    assert trail.timings_ms["tls"] >= 50


async def test_a_handshake_that_drips_ends_too(authority: tuple[trustme.CA, str]) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x16\x03\x03\x3f\xff\x02\0\x3f\xfb")  # one long message
        while True:
            writer.write(b"\0")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with page_server() as pages, open_fetcher(ca_file=authority[1], connect_timeout_s=0.2) as fetcher:
        pages.talk = drip
        error, _ = await failure(fetcher, f"https://127.0.0.1:{pages.port}/")
    assert error.code in {"connect_timeout", "tls_failed"}  # OpenSSL may see sooner that it is nonsense


async def test_a_certificate_of_another_name(authority: tuple[trustme.CA, str]) -> None:
    tls = server_of(authority[0], "other.example")
    async with page_server({"/": answer("x")}, tls=tls) as pages, open_fetcher(ca_file=authority[1]) as fetcher:
        error, trail = await failure(fetcher, pages.url(host="localhost"))
    assert error.code == "tls_hostname"
    assert set(trail.timings_ms) == {"dns", "connect", "tls"}


async def test_silence_before_the_answer_and_in_the_middle() -> None:
    async def stop(request: Request) -> None:
        await request.send(answer("half", content_length="100"))
        await request.until_client_leaves()

    async with page_server({"/": silence, "/b": stop}) as pages, open_fetcher(read_timeout_s=0.1) as fetcher:
        error, trail = await failure(fetcher, pages.url())
        assert error.code == "read_timeout"
        assert set(trail.timings_ms) == {"dns", "connect", "first_byte"}
        assert trail.timings_ms["first_byte"] >= 90
        error, trail = await failure(fetcher, pages.url("/b"))
    assert error.code == "read_timeout"
    assert set(trail.timings_ms) == {"dns", "connect", "first_byte", "download"}
    assert trail.timings_ms["download"] >= 90


async def test_the_deadline_ends_in_a_phase_too() -> None:
    async with page_server({"/": silence}) as pages, open_fetcher(deadline_s=0.1) as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "deadline_exceeded"
    assert set(trail.timings_ms) == {"dns", "connect", "first_byte"}


async def test_a_kept_alive_connection_is_not_made_again(authority: tuple[trustme.CA, str]) -> None:
    names = SlowNames(delay_s=0.03)
    tls = server_of(authority[0], "kept.example")
    async with (
        page_server({"/": answer("x")}, tls=tls) as pages,
        open_fetcher(ca_file=authority[1], resolver=names) as fetcher,
    ):
        first = await fetcher.fetch(pages.url(host="kept.example"))
        again = await fetcher.fetch(pages.url(host="kept.example"))
    assert set(first.timings_ms) == {"dns", "connect", "tls", "first_byte", "download"}
    assert set(again.timings_ms) == {"first_byte", "download"}
    assert names.asked == ["kept.example"]


async def test_a_name_that_was_just_looked_up_takes_no_time() -> None:
    names = SlowNames(delay_s=0.05)

    async def last_words(_: Request) -> bytes:
        return answer("python", connection="close")

    async with page_server({"*": last_words}) as pages, open_fetcher(resolver=names) as fetcher:
        await fetcher.fetch(pages.url(host="known.example"))
        again = await fetcher.fetch(pages.url(host="known.example"))
    assert set(again.timings_ms) == {"dns", "connect", "first_byte", "download"}
    assert again.timings_ms["dns"] < 45
    assert names.asked == ["known.example"]


async def test_the_hops_of_a_chain_are_added_up() -> None:
    names = SlowNames(delay_s=0.03)
    async with page_server({"/b": answer("x")}) as pages, open_fetcher(resolver=names) as fetcher:
        pages.routes["/"] = redirect(pages.url("/b", host="b.example"))
        pages.routes["/kept"] = redirect("/b")
        page = await fetcher.fetch(pages.url(host="a.example"))
        assert page.timings_ms["dns"] >= 55
        trail = Trail()
        await fetcher.fetch(pages.url("/kept", host="a.example"), trail=trail)
    assert set(trail.timings_ms) == {"first_byte", "download"}

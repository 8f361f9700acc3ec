import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.pages import answer, page_server, redirect


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def _server(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def test_a_trusted_server(authority: trustme.CA, ca_file: str) -> None:
    tls = _server(authority.issue_cert("localhost", "127.0.0.1"))
    async with page_server({"/": answer("python")}, tls=tls) as pages, open_fetcher(ca_file=ca_file) as fetcher:
        page = await fetcher.fetch(pages.url(host="localhost"))
        assert page.body == b"python"
        assert page.address == "127.0.0.1"
        assert set(page.timings_ms) == {"dns", "connect", "tls", "first_byte", "download"}
        assert (await fetcher.fetch(pages.url())).body == b"python"


async def test_from_http_to_https(authority: trustme.CA, ca_file: str) -> None:
    tls = _server(authority.issue_cert("localhost"))
    async with page_server({"/": answer("python")}, tls=tls) as target, page_server() as pages:
        pages.routes["/"] = redirect(target.url(host="localhost"), 301)
        async with open_fetcher(ca_file=ca_file) as fetcher:
            page = await fetcher.fetch(pages.url())
    assert page.redirects == (target.url(host="localhost"),)


async def test_from_https_to_http(authority: trustme.CA, ca_file: str) -> None:
    tls = _server(authority.issue_cert("localhost"))
    async with page_server({"/": answer("python")}) as target, page_server(tls=tls) as pages:
        pages.routes["/"] = answer(status=302, location=target.url(host="localhost"), set_cookie="id=1; Secure; Path=/")
        async with open_fetcher(ca_file=ca_file) as fetcher:
            page = await fetcher.fetch(pages.url(host="localhost"))
    assert page.redirects == (target.url(host="localhost"),)
    assert "cookie" not in target.requests[0].headers  # what is secure stays with https
    assert "referer" not in target.requests[0].headers


async def test_expired(authority: trustme.CA, ca_file: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    tls = _server(authority.issue_cert("localhost", not_before=yesterday - timedelta(days=9), not_after=yesterday))
    async with page_server({"/": answer("python")}, tls=tls) as pages, open_fetcher(ca_file=ca_file) as fetcher:
        error, trail = await failure(fetcher, pages.url(host="localhost"))
    assert error.code == "tls_expired"
    assert trail.address == "127.0.0.1"
    assert pages.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_made_out_to_another_name(authority: trustme.CA, ca_file: str, host: str) -> None:
    tls = _server(authority.issue_cert("other.example"))
    async with page_server({"/": answer("python")}, tls=tls) as pages, open_fetcher(ca_file=ca_file) as fetcher:
        error, _ = await failure(fetcher, pages.url(host=host))
    assert error.code == "tls_hostname"
    assert pages.requests == []


async def test_an_unknown_authority(authority: trustme.CA) -> None:
    tls = _server(authority.issue_cert("localhost"))
    async with page_server({"/": answer("python")}, tls=tls) as pages, open_fetcher() as fetcher:
        error, _ = await failure(fetcher, pages.url(host="localhost"))
    assert error.code == "tls_failed"
    assert not error.retryable
    assert pages.requests == []


async def test_no_tls_at_all(ca_file: str) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")

    async with page_server() as pages, open_fetcher(ca_file=ca_file) as fetcher:
        pages.talk = greet
        error, _ = await failure(fetcher, f"https://127.0.0.1:{pages.port}/")
    assert error.code == "tls_failed"


async def test_a_handshake_that_stalls(ca_file: str) -> None:
    async def stall(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with page_server() as pages, open_fetcher(ca_file=ca_file, connect_timeout_s=0.2) as fetcher:
        pages.talk = stall
        error, _ = await failure(fetcher, f"https://127.0.0.1:{pages.port}/")
    assert error.code == "connect_timeout"

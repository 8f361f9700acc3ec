"""Proxies and passwords that the environment names are not used: what a proxy reaches, nobody here could check."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from pathlib import Path

import trustme

from tests.integration.pages import answer, page_server, redirect

ROOT = Path(__file__).parents[3]
_SCHEMES = {"HTTP_PROXY": "http", "HTTPS_PROXY": "http", "ALL_PROXY": "socks5", "WS_PROXY": "http", "WSS_PROXY": "http"}


def _environment(proxy_port: int, home: Path) -> dict[str, str]:
    """Name the proxy in every way, and passwords for whatever machine is asked."""
    netrc = home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login anybody password secret\n")
    netrc.chmod(0o600)
    proxies = {name: f"{scheme}://user:secret@127.0.0.1:{proxy_port}" for name, scheme in _SCHEMES.items()}
    named = {**proxies, **{name.lower(): proxy for name, proxy in proxies.items()}}
    return {**os.environ, **named, "NO_PROXY": "", "no_proxy": "", "HOME": str(home), "NETRC": str(netrc)}


async def _fetch(environment: dict[str, str], *arguments: str) -> dict[str, dict[str, str]]:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.fetching.fetch_urls", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, _ = await program.communicate()
    assert program.returncode == 0
    report: dict[str, dict[str, str]] = json.loads(output)
    return report


def test_proxies_and_passwords_of_the_environment_are_not_used(tmp_path: Path) -> None:
    asyncio.run(_fetch_beside_a_proxy(tmp_path))


async def _fetch_beside_a_proxy(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    async with (
        page_server({"*": answer("from the proxy")}) as proxy,
        page_server({"/": answer("plain")}) as plain,
        page_server({"/": answer("secure"), "/away": redirect(plain.url())}, tls=tls) as secure,
    ):
        allow = f"127.0.0.1:{plain.port},127.0.0.1:{secure.port}"
        urls = {
            plain.url(): "plain",
            plain.url(host="localhost"): "plain",
            secure.url(): "secure",
            secure.url(host="localhost"): "secure",
            secure.url("/away"): "plain",
            "http://10.0.0.1/": "forbidden_address",
            "https://10.0.0.1/": "forbidden_address",
        }
        report = await _fetch(_environment(proxy.port, tmp_path), allow, str(tmp_path / "ca.pem"), *urls)
        assert report["found"] == urls
        assert proxy.connections == 0
        requests = [*plain.requests, *secure.requests]
        assert len(requests) == 6
        assert not any(name.endswith("authorization") for request in requests for name in request.headers)
    assert {"http", "https", "all"} <= set(report["proxies"])
    assert "127.0.0.1" in report["machines"]

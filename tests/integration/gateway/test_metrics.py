"""However odd the traffic, a gateway's metrics stay few."""

import asyncio
import random
import string

import aiohttp
from prometheus_client import CollectorRegistry

from tests.integration.gateway.stack import Stack

ROUNDS = 2
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW", "PROPFIND")


def series(registry: CollectorRegistry) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {(s.name, frozenset(s.labels.items())) for family in registry.collect() for s in family.samples}


def word(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_letters, k=8))


async def odd_traffic(stack: Stack, http: aiohttp.ClientSession, rng: random.Random) -> None:
    """Each kind of request that there is, with names that nobody has used before."""
    paths = ("/", f"/{word(rng)}", f"/{word(rng)}/{word(rng)}", "/api/v1/checks", f"/api/v1/checks/{word(rng)}")
    for method in (*METHODS, word(rng).upper()):
        for path in paths:
            async with http.request(method, path, params={word(rng): word(rng)}) as answer:
                assert 400 <= answer.status < 500 or method in {"GET", "HEAD", "OPTIONS"}
        async with http.request(method, f"/{word(rng)}", headers={"Host": f"{word(rng)}.example"}) as answer:
            assert 400 <= answer.status < 500
    for code in (word(rng), "not_found"):
        async with http.get(f"/docs/problems/{code}") as answer:
            assert answer.status in (200, 404)
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(f"{word(rng)}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        await reader.read(1000)
    writer.close()
    await writer.wait_closed()


async def test_odd_requests_add_no_series(parts: Stack) -> None:
    rng = random.Random(5)
    async with parts.recorder(), parts.gateway() as service, aiohttp.ClientSession(parts.url) as http:
        await odd_traffic(parts, http, rng)
        before = series(service.registry)
        for _ in range(ROUNDS):
            await odd_traffic(parts, http, rng)
        assert series(service.registry) - before == set()
    values = {value for _, labels in before for _, value in labels}
    assert "other" in values, "methods that nobody knows"
    assert "none" in values, "paths that lead nowhere"
    assert len(before) < 3_000

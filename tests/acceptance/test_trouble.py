"""nsqd, nsqlookupd or PostgreSQL gone, restarting or frozen: wordwatch waits or says 503, and comes back by itself."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.trouble import at_work
from tests.integration.servers import HOST, Nsqd, Nsqlookupd, TcpProxy

pytestmark = pytest.mark.timeout(300)

GONE_S = 12.0
FROZEN_S = 13.0
"""Longer than nsqd's silence is put up with: two heartbeats of 5 s."""
LONG_S = 65.0
"""Longer than every time-out between us: heartbeats, connects, statements, flushes."""


async def gone(server: Nsqd | Nsqlookupd, for_s: float) -> None:
    await server.kill()
    await asyncio.sleep(for_s)
    await server.start()


async def frozen(server: Nsqd | Nsqlookupd, for_s: float) -> None:
    server.freeze()
    await asyncio.sleep(for_s)
    server.thaw()


async def postgres_gone(stack: Fleet, for_s: float) -> None:
    await stack.postgres.kill()
    await asyncio.sleep(for_s)
    await stack.postgres.start()


async def postgres_restarted(stack: Fleet) -> None:
    await stack.postgres.terminate()
    await stack.postgres.start()


async def postgres_frozen(stack: Fleet, for_s: float) -> None:
    stack.postgres.freeze()
    await asyncio.sleep(for_s)
    stack.postgres.thaw()


# Restarts, and one of two that is gone, are part of chaos (test_chaos) every time.
async def test_the_only_one_of_each_frozen() -> None:
    async with fleet(gateways=2, fetchers=2) as stack, at_work(stack) as trouble:
        nsqd = stack.nsqds[0]
        await trouble.go_through("PostgreSQL frozen", lambda: postgres_frozen(stack, FROZEN_S), missing="database")
        await trouble.go_through("nsqd frozen", lambda: frozen(nsqd, FROZEN_S), missing="nsqd")


async def test_one_of_two_nsqds_is_enough() -> None:
    async with fleet(gateways=2, fetchers=2, nsqds=2, lookupds=2) as stack, at_work(stack) as trouble:
        trouble.must_accept = True
        await trouble.go_through("one of two nsqds frozen", lambda: frozen(stack.nsqds[1], FROZEN_S))


async def one_of_each_gone(stack: Fleet, for_s: float) -> None:
    await asyncio.gather(gone(stack.lookupds[0], for_s), gone(stack.nsqds[0], for_s))


@pytest.mark.long
@pytest.mark.timeout(500)
async def test_the_only_one_of_each_gone_for_a_while() -> None:
    async with fleet(gateways=2, fetchers=2) as stack, at_work(stack) as trouble:
        nsqd, lookupd = stack.nsqds[0], stack.lookupds[0]
        await trouble.go_through("PostgreSQL restarts", lambda: postgres_restarted(stack))
        await trouble.go_through("PostgreSQL gone", lambda: postgres_gone(stack, GONE_S), missing="database")
        await trouble.go_through("nsqd restarts", nsqd.restart)
        await trouble.go_through("nsqd gone", lambda: gone(nsqd, GONE_S), missing="nsqd")
        await trouble.go_through("nsqd gone, and its disk wiped", lambda: wiped(nsqd, GONE_S), missing="nsqd")
        await trouble.go_through("nsqlookupd gone", lambda: gone(lookupd, GONE_S))
        await trouble.go_through("nsqlookupd restarts", lookupd.restart)
        await trouble.go_through("nsqlookupd frozen", lambda: frozen(lookupd, FROZEN_S))
        await trouble.go_through("nsqd and nsqlookupd restart together", lambda: both_restarted(lookupd, nsqd))


async def wiped(nsqd: Nsqd, for_s: float) -> None:
    await nsqd.kill()
    nsqd.wipe()
    await asyncio.sleep(for_s)
    await nsqd.start()


async def both_restarted(lookupd: Nsqlookupd, nsqd: Nsqd) -> None:
    await asyncio.gather(lookupd.restart(), nsqd.restart())


@pytest.mark.long
@pytest.mark.timeout(500)
async def test_the_only_one_of_each_frozen_for_longer_than_every_time_out() -> None:
    async with fleet(gateways=2, fetchers=2) as stack, at_work(stack) as trouble:
        nsqd, lookupd = stack.nsqds[0], stack.lookupds[0]
        await trouble.go_through("PostgreSQL frozen, long", lambda: postgres_frozen(stack, LONG_S), missing="database")
        await trouble.go_through("nsqd frozen, long", lambda: frozen(nsqd, LONG_S), missing="nsqd")
        await trouble.go_through("nsqlookupd frozen, long", lambda: frozen(lookupd, LONG_S))


@pytest.mark.long
@pytest.mark.timeout(500)
async def test_one_of_two_for_longer() -> None:
    async with fleet(gateways=2, fetchers=2, nsqds=2, lookupds=2) as stack, at_work(stack) as trouble:
        nsqd, lookupd = stack.nsqds[0], stack.lookupds[0]
        trouble.must_accept = True
        await trouble.go_through("one of two nsqds frozen, long", lambda: frozen(nsqd, LONG_S))
        await trouble.go_through("one of two nsqds restarts", nsqd.restart)
        await trouble.go_through("one of two nsqds gone, and its disk wiped", lambda: wiped(nsqd, GONE_S))
        await trouble.go_through("one of two nsqlookupds frozen, long", lambda: frozen(lookupd, LONG_S))
        await trouble.go_through("one of two nsqlookupds restarts", lookupd.restart)
        await trouble.go_through("one of two nsqlookupds and nsqds gone", lambda: one_of_each_gone(stack, GONE_S / 2))


@pytest.mark.long
@pytest.mark.timeout(500)
async def test_a_network_that_swallows_everything() -> None:
    async with AsyncExitStack() as exits:
        stack = await exits.enter_async_context(fleet(gateways=2, fetchers=2))
        ways = await reroute(stack, exits)
        trouble = await exits.enter_async_context(at_work(stack))
        for for_s in (FROZEN_S, LONG_S):
            for what, way in ways.items():
                await trouble.go_through(f"way to {what} silent {for_s:.0f} s", lambda: silent(way, for_s))  # noqa: B023
                await trouble.go_through(f"way to {what} silent, then cut", lambda: cut(way, FROZEN_S))  # noqa: B023


async def silent(way: Sequence[TcpProxy], for_s: float) -> None:
    for proxy in way:
        proxy.freeze()
    await asyncio.sleep(for_s)
    for proxy in way:
        proxy.thaw()


async def cut(way: Sequence[TcpProxy], for_s: float) -> None:
    """What was held back is lost: as when whatever remembers connections on the way has forgotten them."""
    for proxy in way:
        proxy.freeze()
    await asyncio.sleep(for_s)
    for proxy in way:
        proxy.reset()
        proxy.thaw()


async def reroute(stack: Fleet, exits: AsyncExitStack) -> dict[str, list[TcpProxy]]:
    """Starts all services anew, with every way to PostgreSQL and to nsqd leading through proxies."""
    postgres, nsqd = TcpProxy(f"{HOST}:{stack.postgres.port}"), TcpProxy(stack.nsqds[0].tcp)
    nsqd_http = TcpProxy(stack.nsqds[0].http)
    nsqd_http.port = nsqd.port + 1  # where an nsqd without nsqlookupd is looked for
    for proxy in (postgres, nsqd, nsqd_http):
        await exits.enter_async_context(proxy)
    for service in stack.services:
        service.environ.pop("WORDWATCH_NSQLOOKUPD")
        service.environ["WORDWATCH_NSQD"] = nsqd.address
        service.environ["WORDWATCH_DATABASE_URL"] = stack.postgres.url.replace(
            str(stack.postgres.port), str(postgres.port)
        )
    await asyncio.gather(*(service.kill() for service in stack.services))
    await asyncio.gather(*(service.start() for service in stack.services))
    return {"PostgreSQL": [postgres], "nsqd": [nsqd, nsqd_http]}

"""Checks accepted a second, each committed before its 202, against an aiohttp that says 202 and does nothing."""

import sys

from bench.processes import listening, running
from bench.site import Site
from bench.stack import POSTGRES
from bench.table import Row, ratio
from bench.wrk import post_checks
from tests.acceptance.fleet import fleet
from tests.integration.servers import free_port

SECONDS = 8
CONNECTIONS = 32


async def measure(site: Site, rounds: int, share: float) -> list[Row]:
    """A B A B, without fetchers: what is accepted waits."""
    ours, echoes = list[float](), list[float]()
    seconds, port = max(3, int(SECONDS * share)), free_port()

    async with (
        fleet(fetchers=0, postgres_settings=POSTGRES, log_level="warning") as stack,
        running(sys.executable, "-m", "bench.peers.echo", str(port)),
    ):
        await listening("127.0.0.1", port, what="the echo", within_s=20)
        for number in range(rounds + 1):
            for found, url in ((ours, stack.gateways[0].url), (echoes, f"http://127.0.0.1:{port}")):
                run = f"{'ours' if found is ours else 'echo'}{number}"
                told = await post_checks(
                    url, stack.folder, port=site.port, run=run, connections=CONNECTIONS, seconds=seconds
                )
                assert told["by_status"].keys() == {"202"}, told
                if number:  # the first round warms
                    found.append(told["by_status"]["202"] / seconds)
    share_ = ratio(ours, echoes)
    shown = f"{share_:.0%} ({ours[-1]:.0f} against {echoes[-1]:.0f})"
    return [Row("durable 202 a second, 32 connections, against a bare echo", share_, shown, 0.20, 0.35)]

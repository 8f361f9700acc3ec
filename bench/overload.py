"""More than a gateway can do, for a minute: `python -m bench.overload [SECONDS] [CONNECTIONS]`.

Needs wrk. First what can be accepted a second is measured, with 32 connections; then as many as wrk can send on
hundreds of connections, each of which asks again as soon as it is answered. Prints answers by status, the peak memory
of each service, how long a person's check takes the moment it is over, and that every accepted check was recorded.
"""

import asyncio
import sys
import time

from bench import pages
from bench.figures import memory
from bench.stack import POSTGRES
from bench.wrk import HOSTS, post_checks
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.servers import eventually, free_port


async def a_check_s(stack: Fleet, port: int) -> float:
    """How long a person waits for a count now, in seconds."""
    began_s = time.monotonic()
    url = f"http://{pages.host(0)}:{port}/after"
    async with stack.api.post("/api/v1/checks", json={"url": url}, headers={"Prefer": "wait=60"}) as answer:
        assert answer.status == 200, await answer.text()
    return time.monotonic() - began_s


async def measure(seconds: int, connections: int) -> None:
    """Both runs, and what is left of them."""
    port = free_port()
    trusted = ",".join(f"{pages.host(n)}:{port}" for n in range(HOSTS))
    async with (
        pages.serving(port, hosts=HOSTS),
        fleet(fetchers=2, postgres_settings=POSTGRES, trusted_hosts=trusted, log_level="warning") as stack,
    ):
        url, folder = stack.gateways[0].url, stack.folder
        usual = await post_checks(url, folder, port=port, run="usual", connections=32, seconds=10)
        print(f"32 connections, 10 s: {usual}; {memory(stack.services)}", flush=True)
        await asyncio.sleep(5)
        over = await post_checks(url, folder, port=port, run="over", connections=connections, seconds=seconds)
        took_s = await a_check_s(stack, port)
        print(f"{connections} connections, {seconds} s: {over}; {memory(stack.services)}", flush=True)
        print(f"a check right after: {took_s:.2f} s", flush=True)
        accepted = sum(run["by_status"].get(code, 0) for run in (usual, over) for code in ("200", "202"))
        recorded = await stack.postgres.ask("SELECT count(*) FROM checks") - 1
        print(f"accepted {accepted}, recorded {recorded} (those that got a 503 not_committed may be among them)")
        assert recorded >= accepted, "accepted checks are not recorded"
        began_s = time.monotonic()

        async def ended() -> bool:
            await asyncio.sleep(0.5)
            return not await stack.postgres.ask("SELECT count(*) FROM checks WHERE status IN ('queued', 'running')")

        await eventually(ended, timeout_s=900, what="all have ended")
        wrong = await stack.postgres.ask("SELECT count(*) FROM checks WHERE status <> 'done'")
        print(f"all {recorded} ended {time.monotonic() - began_s:.0f} s later, {wrong} of them without a count")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(measure(*(arguments + [60, 900][len(arguments) :])))

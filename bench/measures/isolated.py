"""How long a person waits for one check beyond its fetch, with nothing else to do."""

import statistics
import time

from bench import stack
from bench.site import Site
from bench.table import Row

CHECKS = 200


async def measure(site: Site, rounds: int, share: float) -> list[Row]:
    """One check after another, each of another page, with `Prefer: wait`."""
    medians = []
    async with stack.running(site, fetchers=1) as stack_:
        for number in range(rounds):
            beyond_ms = []
            for url in site.urls(int(CHECKS * share), run=f"alone{number}"):
                began_s = time.perf_counter()
                async with stack_.fleet.api.post(
                    "/api/v1/checks", json={"url": url, "words": ["python"]}, headers={"Prefer": "wait=20"}
                ) as answer:
                    check = await answer.json()
                took_ms = (time.perf_counter() - began_s) * 1000
                assert check["status"] == "done", check
                beyond_ms.append(took_ms - check["duration_ms"])
            medians.append(statistics.median(beyond_ms))
    value = statistics.median(medians)
    return [Row("isolated check with Prefer: wait, p50 beyond its fetch, ms", value, f"{value:.1f} ms", 10, 6, "less")]

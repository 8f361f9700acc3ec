"""A batch of a million lines: how long until it is accepted, and how much memory that takes."""

import statistics

from bench.figures import peak_mb
from bench.million import accepted, filed, without_fetchers
from bench.site import Site
from bench.table import Row

LINES = 1_000_000
HOSTS = 10_000


async def measure(_site: Site, rounds: int, share: float) -> list[Row]:
    """Once for each three rounds, as it takes minutes; all lines have their checks at the end."""
    took_s, peaks_mb = [], []
    for _ in range(max(1, rounds // 3)):
        async with without_fetchers() as stack:
            seconds, body = await accepted(stack, int(LINES * share), HOSTS)
            await filed(stack)
            took_s.append(seconds)
            peaks_mb.append(max(peak_mb(service.pid) for service in stack.services if service.is_running))
            assert await stack.postgres.ask("SELECT count(*) FROM queue") == body["queued"]
    wait_s, peak = statistics.median(took_s), max(peaks_mb)
    return [
        Row("1,000,000 lines: until the 202, s", wait_s, f"{wait_s:.0f} s", 180, 60, "less"),
        Row("1,000,000 lines: peak memory of any service, MB", peak, f"{peak:.0f} MB", 200, None, "less"),
    ]

"""Processor time of a page in one fetcher, against a bare loop of aiohttp with a plain parse and count."""

import sys
from pathlib import Path

from bench import stack
from bench.processes import running
from bench.site import Site
from bench.table import Row, ratio

PAGES = 4_000
KNOWN = 2.8
"""On two processors that everything shares."""


async def bare(site: Site, pages: int, *, run: str, folder: Path, what: str) -> float:
    """Milliseconds of processor time that a page costs the loop, its start left out."""
    file = folder / f"{run}.txt"
    file.write_text("\n".join(site.urls(pages, run=run)))
    async with running(sys.executable, "-m", "bench.peers.floor", str(file), "python", what) as process:
        return float(await process.line("CPU ", within_s=300)) / pages * 1000


async def measure(site: Site, rounds: int, share: float) -> list[Row]:
    """A B A B."""
    ours, counting, fetching, pages = [], [], [], int(PAGES * share)
    async with stack.running(site, fetchers=1) as stack_:
        folder = stack_.fleet.folder
        for number in range(rounds):
            ours.append((await stack_.batch(pages)).fetchers_ms)
            counting.append(await bare(site, pages, run=f"counting{number}", folder=folder, what="counting"))
            fetching.append(await bare(site, pages, run=f"bare{number}", folder=folder, what="bare"))
    cost = ratio(ours, counting)
    shown = f"{cost:.2f}× ({ours[-1]:.2f} ms; floor {counting[-1]:.2f} ms, of which fetching {fetching[-1]:.2f} ms)"
    return [Row("1 fetcher's processor time of a page, against the floor", cost, shown, 1.25, 1, "less", KNOWN)]

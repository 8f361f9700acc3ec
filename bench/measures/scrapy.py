"""Pages a second: one fetcher and all that belongs to it, against one process of Scrapy."""

import time
from pathlib import Path

from bench import stack
from bench.peers import environment
from bench.processes import running
from bench.site import Site
from bench.table import Row, ratio

PAGES = 3_000


async def spider(site: Site, pages: int, *, run: str, folder: Path, database: str) -> float:
    """How many pages a second it counts, its start left out."""
    file = folder / f"{run}.txt"
    file.write_text("\n".join(site.urls(pages, run=run)))
    command = [str(environment.python()), "-m", "bench.peers.spider", str(file), "python"]
    async with running(*command, env={"PEER_DATABASE": database}) as process:
        await process.line("OPEN", within_s=60)
        began_s = time.perf_counter()
        await process.line("CLOSED", within_s=600)
        return pages / (time.perf_counter() - began_s)


async def measure(site: Site, rounds: int, share: float) -> list[Row]:
    """A B A B."""
    ours, theirs, pages = [], [], int(PAGES * share)
    async with stack.running(site, fetchers=1) as stack_:
        folder, database = stack_.fleet.folder, stack_.fleet.postgres.url
        for number in range(rounds):
            ours.append((await stack_.batch(pages)).pages_per_s)
            theirs.append(await spider(site, pages, run=f"spider{number}", folder=folder, database=database))
    rate = ratio(ours, theirs)
    shown = f"{rate:.2f}× ({ours[-1]:.0f} against {theirs[-1]:.0f})"
    return [Row("pages/s, 1 fetcher, against one process of Scrapy", rate, shown, 2.5, 4)]

"""A fetcher's memory over a million pages: whether it stays what it was."""

from bench import stack
from bench.figures import resident_mb
from bench.site import Site
from bench.table import Row

PAGES = 1_000_000
_PIECES = 20


async def measure(site: Site, _rounds: int, share: float) -> list[Row]:
    """In twenty batches; the first three are for warming up."""
    async with stack.running(site, fetchers=1) as stack_:
        (fetcher,) = stack_.fleet.fetchers
        found = []
        for number in range(_PIECES):
            await stack_.batch(int(PAGES * share / _PIECES))
            found.append(resident_mb(fetcher.pid))
            print(f"{number + 1} of {_PIECES}: {found[-1]:.0f} MB", flush=True)
    warm = found[3:]
    value = max(warm) / min(warm) - 1
    shown = f"{value:.0%} ({min(warm):.0f} to {max(warm):.0f} MB)"
    return [
        Row(
            f"a fetcher's memory over {int(PAGES * share):,} pages, highest over lowest",
            value,
            shown,
            0.10,
            None,
            "less",
        )
    ]

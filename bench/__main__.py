"""All measurements side by side, and what they come to: `python -m bench [short|full|long] [MEASURE …]`.

The table goes to standard output; after a full run of all measures also to bench/RESULTS.md, after a long one to
bench/RESULTS-LONG.md. A short run is for CI: it takes a few minutes, and fails where a ratio is at less than half of
its bar.
"""

import asyncio
import importlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import site
from bench.site import Site
from bench.table import Row, markdown

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Form:
    """What is measured, how often, on which share of the usual number of pages, and where the table goes."""

    measures: tuple[str, ...]
    rounds: int
    share: float
    pages: Callable[[], AbstractAsyncContextManager[Site]] = site.nginx
    results: Path | None = None


_FULL = ("celery", "scrapy", "floor", "durable", "isolated", "queues", "million", "scaling")
FORMS = {
    "short": Form(("floor",), rounds=1, share=0.25, pages=site.plain),
    "full": Form(_FULL, rounds=3, share=1.0, results=_HERE / "RESULTS.md"),
    "long": Form(("lists", "memory"), rounds=3, share=1.0, results=_HERE / "RESULTS-LONG.md"),
}


async def run(form: Form, names: Sequence[str]) -> list[Row]:
    """Measures, and tells each row as it is there."""
    rows = []
    async with form.pages() as pages:
        for name in names:
            module = importlib.import_module(f"bench.measures.{name}")
            for row in await module.measure(pages, form.rounds, form.share):
                print(f"{row.verdict:>6}  {row.measure}: {row.shown}", flush=True)
                rows.append(row)
    return rows


def _machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def main(arguments: list[str]) -> int:
    """The exit code says whether all bars were reached; of a short run, whether half of each was."""
    name = arguments.pop(0) if arguments and arguments[0] in FORMS else "full"
    form = FORMS[name]
    if unknown := set(arguments) - set(form.measures):
        known = ", ".join(form.measures)
        print(f"no measures of a {name} run: {', '.join(sorted(unknown))}; these are: {known}", file=sys.stderr)
        return 2
    rows = asyncio.run(run(form, arguments or form.measures))
    table = markdown(rows)
    print(f"\n{table}")
    if form.results and not arguments:
        head = f"# What was measured\n\n`python -m bench {name}` on {datetime.now(UTC):%Y-%m-%d}: {_machine()}.\n\n"
        form.results.write_text(f"{head}{table}\n")
    if name == "short":
        return 0 if all(row.meets_half() for row in rows) else 1
    return 0 if all(row.meets(row.bar) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

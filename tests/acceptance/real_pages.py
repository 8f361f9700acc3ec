"""Compares what is counted on real pages with what Chromium shows of them; also for any folder of pages.

    python -m tests.acceptance.real_pages FOLDER

prints one line per page, the worst first: how well the two agree, the tokens, the encodings, what only one side has.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.async_api import Error

from services.fetcher.counting.decoding import decode
from services.fetcher.counting.kinds import Kind
from services.fetcher.counting.visible_text import BOUNDARY, read_html
from tests.acceptance.agreement import Agreement, agreement
from tests.acceptance.browsing import chromium
from tests.acceptance.chromium_text import ChromiumReader, Sent, chromium_reader

FLOOR = 0.98
"""A page that agrees less well needs a reason."""
_LARGEST_BYTES = 2_000_000
_SHOWN_TOKENS = 8


@dataclass(frozen=True)
class Compared:
    """One page, read by both.

    Attributes:
        name: of the page.
        agreement: of the two texts.
        ours: the encoding that wordwatch read.
        theirs: the one that Chromium read.
    """

    name: str
    agreement: Agreement
    ours: str
    theirs: str


async def compare(reader: ChromiumReader, name: str, sent: Sent) -> Compared:
    """Read a page with both and compare."""
    shown = await reader.read(sent)
    decoded = decode(sent.body, sent.content_type, Kind.HTML)
    text = read_html(decoded.text).text.replace(BOUNDARY, "\n")
    return Compared(name, agreement(text, shown.text), decoded.encoding, shown.charset)


def pages_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The pages of a folder and of those in it, by name; links and very large files are passed over."""
    found = []
    for directory, _, names in os.walk(folder):
        paths = (Path(directory, name) for name in names if set(suffixes) & {f".{part}" for part in name.split(".")})
        found += [path for path in paths if not path.is_symlink() and path.stat().st_size <= _LARGEST_BYTES]
    return sorted(found)


async def compare_all(paths: Iterable[Path], content_type: str) -> AsyncIterator[Compared]:
    """Compare pages one after the other; those that the browser cannot load are told of and passed over."""
    async with chromium() as browser, chromium_reader(browser) as reader:
        for path in paths:
            try:
                yield await compare(reader, str(path), Sent(path.read_bytes(), content_type))
            except Error as error:
                print(f"{path}: {error.message.splitlines()[0]}", file=sys.stderr)


def line(page: Compared) -> str:
    """One line about a page."""
    found = page.agreement
    charset = page.ours if page.ours == page.theirs else f"{page.ours}, not {page.theirs}"
    parts = [f"{found.words:.4f} {found.pairs:.4f} {found.tokens:6} {page.name} ({charset})"]
    for title, tokens in (("missing", found.missing), ("extra", found.extra)):
        if tokens:
            some = " ".join(f"{token}x{count}" if count > 1 else token for token, count in tokens[:_SHOWN_TOKENS])
            parts.append(f"{title} {sum(count for _, count in tokens)}: {some}")
    return "; ".join(parts)


async def _main(folder: Path, suffixes: Sequence[str], content_type: str, every: int) -> None:
    found = pages_in(folder, suffixes)[::every]
    if not found:
        sys.exit(f"there are no pages ({' '.join(suffixes)}) in {folder}")
    print(f"comparing {len(found)} pages, some three in a second", file=sys.stderr)
    pages = [page async for page in compare_all(found, content_type)]
    for page in sorted(pages, key=lambda page: page.agreement.words):
        print(line(page))
    if pages:
        words, pairs = (median(getattr(page.agreement, kind) for page in pages) for kind in ("words", "pairs"))
        low = sum(page.agreement.words < FLOOR for page in pages)
        other = sum(page.ours != page.theirs for page in pages)
        print(
            f"{len(pages)} pages, median {words:.4f} (pairs {pairs:.4f}), {low} under {FLOOR}, {other} encodings differ"
        )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Compare the text of pages with what Chromium shows.")
    options.add_argument("folder", type=Path)
    options.add_argument("--suffix", nargs="+", default=[".html", ".htm", ".xhtml"])
    options.add_argument("--content-type", default="text/html", help="the header to send (default: %(default)s)")
    options.add_argument("--every", type=int, default=1, help="only every so many pages (default: all)")
    given = options.parse_args()
    asyncio.run(_main(given.folder, given.suffix, given.content_type, given.every))

"""Two hundred pages as they are on the web, the same on every machine: some navigation, scripts, and much text.

Their sizes are spread as those of real pages are (lognormal), with a median of 35 kB.
"""

import gzip
import math
import random
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PAGES = 200
MEDIAN_BYTES = 35_000
_SPREAD = 0.7
_LEAST, _MOST = 4_000, 250_000
_SEED = 20_260
_SYLLABLES = ("an", "ber", "cor", "dul", "en", "fir", "gra", "hol", "in", "jas", "kel", "lo", "mar", "ne", "os", "pri")
WORDS = ("python", "snake", "river")
"""Words that stand on every page."""


@cache
def _vocabulary() -> tuple[str, ...]:
    rng = random.Random(_SEED)  # noqa: S311 - makes pages, guards nothing
    return tuple("".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(4_000))


def _sentence(rng: random.Random) -> str:
    words = rng.choices(_vocabulary(), k=rng.randint(6, 18))
    if rng.random() < 0.05:
        words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words).capitalize() + "."


def _block(rng: random.Random, number: int) -> str:
    """A piece of a page: mostly paragraphs, now and then what stands between them."""
    text = " ".join(_sentence(rng) for _ in range(rng.randint(2, 5)))
    match rng.randrange(10):
        case 0:
            links = (f'<a href="/topic/{number}-{n}" class="link">{_sentence(rng)}</a>' for n in range(6))
            items = "".join(f"<li>{link}</li>" for link in links)
            return f'<ul class="list list-{number}">{items}</ul>'
        case 1:
            cells = "".join(f"<td>{word}</td>" for word in rng.choices(_vocabulary(), k=5))
            return f'<table class="data"><tr>{cells}</tr><tr>{cells}</tr></table>'
        case 2:
            event = f'{{"event": "view", "block": {number}, "tags": "{text[:200]}"}}'
            return f"<script>window.dataLayer.push({event});</script>"
        case 3:
            image = f'<img src="/img/{number}.jpg" alt="{text[:60]}" width="640">'
            return f"<figure>{image}<figcaption>{text[:90]}</figcaption></figure>"
        case _:
            more = f"<em>{_sentence(rng)}</em> &amp; <b>{rng.choice(_vocabulary())}</b>"
            return f'<p id="p{number}" class="text">{text} {more}</p>'


@cache
def page(number: int) -> bytes:
    """The HTML of page `number`, from 0."""
    rng = random.Random(_SEED + number)  # noqa: S311 - as above
    # Quantiles, not draws: so the median is what it is meant to be.
    share = (number + 0.5) / PAGES
    size = MEDIAN_BYTES * math.exp(_SPREAD * statistics.NormalDist().inv_cdf(share))
    size = min(max(size, _LEAST), _MOST)
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Page {number}: {_sentence(rng)}</title>'
        f"<style>.text{{margin:1em}} .list{{padding:0}}</style></head><body><nav>{_block(rng, 0)}</nav><main>"
        f"<h1>{_sentence(rng)}</h1><p>{' '.join(WORDS)}</p>"
    ]
    length = len(parts[0])
    while length < size:
        parts.append(_block(rng, len(parts)))
        length += len(parts[-1])
    parts.append("</main><footer>All of it was made up.</footer></body></html>")
    return "".join(parts).encode()


def pages() -> Iterator[bytes]:
    """All of them."""
    return (page(number) for number in range(PAGES))


def write(folder: Path) -> None:
    """Writes them as files, and gzipped beside that."""
    for number, body in enumerate(pages()):
        (folder / f"{number}.html").write_bytes(body)
        (folder / f"{number}.html.gz").write_bytes(gzip.compress(body, 6, mtime=0))

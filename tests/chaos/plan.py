"""What is asked for, made of one seed: pages, uploads, and what must become of each line of these."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

from tests.acceptance.pages import HOSTS, RESET, Page, Site, count_of

BUSY_HOSTS = 40
"""With two fetches of a host at once, some checks wait for their claim all the time."""
QUIET_HOSTS = range(100, len(HOSTS))
"""No slot of these is a dead fetcher's: what is asked of them shows whether everything works."""
QUIET_PAGE = Page(delay_s=0.2)
SLOW_S = (2.8, 3.2)
FAILS_AFTER_S = (0.3, 0.8)
FLAKY, GONE, SLOW = 0.12, 0.03, 0.04
TWICE = 0.25
"""Of the pages that fail first, how many do it twice."""

Format = Literal["text", "csv", "ndjson", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
TYPES: dict[Format, str] = {
    "text": "text/plain",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an upload, as the API must show it when all is over.

    Attributes:
        line: where it stands, from 1.
        number: of its page; None for one that is invalid.
    """

    line: int
    text: str
    state: str
    number: int | None = None

    @property
    def is_check(self) -> bool:
        return self.state in ("done", "failed")


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload. Its label and its Idempotency-Key are the same, and nobody else's."""

    key: str
    format: Format
    body: bytes
    lines: tuple[Line, ...]

    @property
    def type(self) -> str:
        return TYPES[self.format]

    @property
    def query(self) -> dict[str, str]:
        """The options that do not stand in the body."""
        return {} if self.format == "json" else {"label": self.key}

    @property
    def numbers(self) -> list[int]:
        """The pages that it asks for."""
        return [line.number for line in self.lines if line.is_check and line.number is not None]

    def count(self, state: str) -> int:
        """How many lines are to end in a state."""
        return sum(line.state == state for line in self.lines)

    @property
    def words(self) -> int:
        """How often the word is counted in all."""
        return sum(count_of(line.number) for line in self.lines if line.state == "done" and line.number is not None)


class Plan:
    """Makes up what is asked for next, and tells the site how its pages behave.

    Attributes:
        delay_s: how long ordinary pages take, from and to.
    """

    def __init__(self, rng: random.Random, site: Site) -> None:
        self.delay_s = (1.4, 2.6)
        self._rng = rng
        self._site = site
        self._pages = count()
        self._probes = count()
        self._uploads = count()

    def number(self) -> int:
        """A page that nobody has asked for yet."""
        n = next(self._pages)
        number = len(HOSTS) * (n // BUSY_HOSTS) + n % BUSY_HOSTS
        self._site.pages[number] = self._page()
        return number

    def _page(self) -> Page:
        rng = self._rng
        kind = rng.random()
        if kind < GONE:
            return Page(rng.uniform(*FAILS_AFTER_S), gone=True)
        if kind < GONE + FLAKY:
            times = 2 if rng.random() < TWICE else 1
            return Page(rng.uniform(*FAILS_AFTER_S), tuple(rng.choice((500, RESET)) for _ in range(times)))
        return Page(rng.uniform(*(SLOW_S if kind < GONE + FLAKY + SLOW else self.delay_s)))

    def probe(self) -> int:
        """A quick page of a host that has nothing else to do."""
        n = next(self._probes)
        number = len(HOSTS) * (n // len(QUIET_HOSTS)) + QUIET_HOSTS[n % len(QUIET_HOSTS)]
        self._site.pages[number] = QUIET_PAGE
        return number

    def upload(self, pages: int, *, kind: Format | None = None) -> Upload:
        """An upload that asks for so many pages, with duplicates and invalid lines between them.

        Args:
            kind: None: any.
        """
        chosen = self._rng.choice(FORMATS) if kind is None else kind
        key = f"chaos-{next(self._uploads)}"
        write = _Writer(chosen, self._rng)
        asked: list[int] = []
        for _ in range(pages):
            asked.append(self.number())
            write.page(asked[-1], self._site)
            if self._rng.random() < 0.15:
                write.duplicate(self._rng.choice(asked), self._site)
            if self._rng.random() < 0.1:
                write.invalid()
            if self._rng.random() < 0.05:
                write.blank()
        return Upload(key, chosen, write.body(key), tuple(write.lines))


_INVALID = ("ftp://example.org/{}", "http://", "http://user:secret@example.org/{}", "http://exa mple/{}")


class _Writer:
    """Writes the lines of one format, and keeps what they are."""

    def __init__(self, kind: Format, rng: random.Random) -> None:
        self.lines: list[Line] = []
        self._kind = kind
        self._rng = rng
        self._rows: list[str] = ["url,label"] if kind == "csv" else []

    def page(self, number: int, site: Site) -> None:
        self._add(site.url(number), "failed" if site.page(number).gone else "done", number)

    def duplicate(self, number: int, site: Site) -> None:
        """The same address, written otherwise."""
        url = site.url(number)
        written = self._rng.choice((url, url.replace("http:", "HTTP:"), f"{url}#again"))
        self._add(written, "duplicate", number)

    def invalid(self) -> None:
        self._add(self._rng.choice(_INVALID).format(len(self._rows)), "invalid", None)

    def blank(self) -> None:
        """A line that is none."""
        if self._kind != "json":
            self._rows.append("")

    def _add(self, url: str, state: str, number: int | None) -> None:
        forms: dict[Format, Callable[[], str]] = {
            "text": lambda: url,
            "csv": lambda: f"{url},a label",
            "ndjson": lambda: json.dumps({"url": url, "label": "a label"}),
            "json": lambda: url,
        }
        text = forms[self._kind]()
        self._rows.append(text)
        self.lines.append(Line(len(self._rows), text, state, number))

    def body(self, label: str) -> bytes:
        if self._kind == "json":
            return json.dumps({"label": label, "items": [{"url": url} for url in self._rows]}).encode()
        return "".join(self._ended()).encode()

    def _ended(self) -> Iterator[str]:
        for row in self._rows:
            yield row + self._rng.choice(("\n", "\r\n"))

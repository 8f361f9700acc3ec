"""What the site is made of: the Markdown files as they are, at their places in the site.

The files are read on a code host, too, so their links lead from file to file of the repository. Here they are turned
to the places that the files have in the site. `docs/index.md` says which page is in which part.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
INDEX = PurePosixPath("index.md")
DECISIONS = PurePosixPath("decisions/index.md")
_DOCS = PurePosixPath("docs")
_BESIDE = tuple(map(PurePosixPath, ("CHANGELOG.md", "bench/RESULTS.md")))
"""Pages that do not stand in docs/."""
_LINK = re.compile(r"(?<=\]\()([^()\s#:]+)(?=[)#])")
_PART = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
_PAGE = re.compile(r"^- \[[^]]+\]\(([^()\s#:]+)\)", re.MULTILINE)
_DECISIONS = """\
# Decisions

Why wordwatch is built as it is: each page tells what was to be decided, what was, and what that costs.

```{toctree}
:glob:

0*
```
"""


class NavigationError(Exception):
    """docs/index.md does not list the pages that there are; the text says what to change."""


class Part(NamedTuple):
    """A part of the site, with its pages at their places in the site."""

    title: str
    pages: tuple[PurePosixPath, ...]


def pages() -> dict[PurePosixPath, PurePosixPath]:
    """Each Markdown file, by its path in the repository, with its place in the site."""
    found = sorted(PurePosixPath(path.relative_to(ROOT).as_posix()) for path in (ROOT / _DOCS).rglob("*.md"))
    return {path: path.relative_to(_DOCS) for path in found} | {path: path for path in _BESIDE}


def parts() -> list[Part]:
    """The parts of the site, as docs/index.md lists them.

    Raises:
        NavigationError: a page is in no part, or in two.
    """
    index = turned(_DOCS / INDEX, (ROOT / _DOCS / INDEX).read_text(encoding="utf-8"))
    found = [Part(title, tuple(map(PurePosixPath, _PAGE.findall(body)))) for title, body in _PART.findall(index)]
    listed = [page for part in found for page in part.pages]
    twice = sorted({str(page) for page in listed if listed.count(page) > 1})
    expected = {page for page in pages().values() if page.parent != DECISIONS.parent} - {INDEX} | {DECISIONS}
    missing = sorted(str(page) for page in expected - set(listed))
    if twice or missing:
        raise NavigationError(
            f"docs/index.md: each page has to stand in one part; in none: {', '.join(missing) or '-'}; "
            f"in more: {', '.join(twice) or '-'}"
        )
    return found


def turned(path: PurePosixPath, text: str) -> str:
    """The text of the file at `path` with its links turned to places in the site; other links stay as they are."""
    places = pages()
    places[_DOCS / DECISIONS.parent] = DECISIONS
    here = PurePosixPath(places[path]).parent

    def turn(link: re.Match[str]) -> str:
        target = PurePosixPath(os.path.normpath(path.parent / link[1]))
        return os.path.relpath(places[target], here) if target in places else link[1]

    return _LINK.sub(turn, text)


def write(folder: Path) -> None:
    """Writes all pages into `folder`, where Sphinx finds them.

    Raises:
        NavigationError: a page is in no part, or in two.
    """
    navigation = "".join(_navigation())
    for path, place in pages().items():
        text = turned(path, (ROOT / path).read_text(encoding="utf-8"))
        _write(folder / place, text + navigation if place == INDEX else text)
    _write(folder / DECISIONS, _DECISIONS)


def _navigation() -> Iterator[str]:
    for part in parts():
        listed = "\n".join(str(page.with_suffix("")) for page in part.pages)
        yield f"\n```{{toctree}}\n:hidden:\n:caption: {part.title}\n\n{listed}\n```\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

"""The real pages of tests/data/real_pages, and what its table says of each."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.chromium_text import Sent

FOLDER = Path(__file__).parents[1] / "data" / "real_pages"
_TABLE = FOLDER / "pages.toml"


@dataclass(frozen=True)
class Page:
    """One page as it was published.

    Attributes:
        name: its path below the folder of all pages; the first part is its source.
        language: tag of BCP 47.
        charset: the encoding it is in, by its name in the Encoding Standard.
        declared: where that is said: `bom`, `header`, `meta` or `none`.
        content_type: the header to send it with.
    """

    name: str
    language: str
    charset: str
    declared: str
    content_type: str

    @property
    def source(self) -> str:
        return self.name.partition("/")[0]

    def sent(self) -> Sent:
        """Read the page from the disk."""
        return Sent((FOLDER / self.name).read_bytes(), self.content_type)


def pages() -> list[Page]:
    """All pages of the table."""
    return [Page(name, **facts) for name, facts in _table()["pages"].items()]


def sources() -> Mapping[str, Mapping[str, str]]:
    """Package, version and licence of each source."""
    found: Mapping[str, Mapping[str, str]] = _table()["sources"]
    return found


def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text("utf-8"))

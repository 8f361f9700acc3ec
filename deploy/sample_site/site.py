"""The pages of the sample site, what they teach, and the counts that are right for them."""

import json
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent


class Page(NamedTuple):
    """A page: how it is served, and how often each word stands in what a reader sees of it."""

    path: str
    shows: str
    charset: str
    content_type: str
    counts: dict[str, int]

    @property
    def body(self) -> bytes:
        """The page as it goes over the wire: the files are UTF-8, to be read and changed with any editor."""
        return (FOLDER / "pages" / self.path).read_text(encoding="utf-8").encode(self.charset)


def pages() -> list[Page]:
    """All pages, in the order in which they are shown."""
    return [Page(**page) for page in json.loads((FOLDER / "pages.json").read_text(encoding="utf-8"))]

"""Other people's pages say the same words in Chromium and in wordwatch; where they do not, the reason stands here."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.acceptance import catalogue
from tests.acceptance.chromium_text import chromium_reader
from tests.acceptance.real_pages import FLOOR, Compared, compare, line

# One browser and one round for the module: every test looks at the same figures.
# The round takes 15 s alone, and four times that beside much else.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

MEDIAN = 0.995


def options_are_left_out(page: Compared) -> bool:
    """innerText lists the options of a `select`, nearly all of which a reader only sees after a click."""
    body = (catalogue.FOLDER / page.name).read_bytes().lower()
    return b"<select" in body and not page.agreement.extra and page.ours == page.theirs


def utf8_is_found_out(page: Compared) -> bool:
    """The page is UTF-8 and does not say so: Chromium never guesses UTF-8 and shows garbage."""
    return (page.ours, page.theirs) == ("utf-8", "windows-1252")


EXPLAINED: dict[str, Callable[[Compared], bool]] = {
    "analog/it-itform.html": options_are_left_out,
    "analog/ja-jpjform.html": options_are_left_out,
    "jquery-ui-doc/combobox.html": options_are_left_out,
    "jquery-ui-doc/date-formats.html": options_are_left_out,
    "jquery-ui-doc/toggle.html": options_are_left_out,
    "sqlite3-doc/lang_replace.html": options_are_left_out,
    "w3m/ja-FAQ.html": utf8_is_found_out,
    "w3m/ja-STORY.html": utf8_is_found_out,
}
"""Every page that agrees less than `FLOOR`, and why: the reasons of docs/counting.md, each a test of its own."""

READ_OTHERWISE = {
    "w3m/STORY.html": "utf-8, windows-1252: nothing is declared, and nothing but ASCII is there",
    "w3m/ja-FAQ.html": "utf-8, windows-1252: valid UTF-8, not declared",
    "w3m/ja-STORY.html": "utf-8, windows-1252: valid UTF-8, not declared",
    "x-net/No-encoding-declaration.html": "utf-8, windows-1252: nothing is declared, and nothing but ASCII is there",
}
"""Every page that Chromium reads in another encoding: ours, its, and why."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def compared(browser: Browser) -> list[Compared]:
    async with chromium_reader(browser) as reader:
        return [await compare(reader, page.name, page.sent()) for page in catalogue.pages()]


async def test_there_are_many_pages_of_many_kinds() -> None:
    pages = catalogue.pages()

    assert len(pages) >= 110
    assert len({page.language for page in pages}) >= 20
    assert len({page.charset for page in pages}) >= 10
    assert {page.declared for page in pages} == {"bom", "header", "meta", "none"}
    assert max(Counter(page.source for page in pages).values()) <= 20
    assert {page.source for page in pages} == set(catalogue.sources())


async def test_the_table_and_the_folder_hold_the_same_pages_and_each_source_its_licence() -> None:
    sizes = {
        path.relative_to(catalogue.FOLDER).as_posix(): path.stat().st_size for path in catalogue.FOLDER.glob("*/*")
    }
    notices = {name for name in sizes if name.endswith("/copyright")}
    pages = {page.name for page in catalogue.pages()}

    assert pages == sizes.keys() - notices - {"x-net/README"}
    assert notices == {f"{source}/copyright" for source in catalogue.sources()}
    assert max(sizes[name] for name in pages) <= 40_000
    assert sum(sizes.values()) <= 2_000_000


async def test_pages_agree_with_chromium_or_it_is_known_why_not(compared: list[Compared]) -> None:
    low = {page.name: page for page in compared if page.agreement.words < FLOOR}

    assert low.keys() == EXPLAINED.keys()
    assert [name for name, page in low.items() if not EXPLAINED[name](page)] == []


async def test_half_of_the_pages_agree_all_but_completely(compared: list[Compared]) -> None:
    assert median(page.agreement.words for page in compared) >= MEDIAN
    assert median(page.agreement.pairs for page in compared) >= MEDIAN


async def test_all_other_pages_agree_to_the_last_word_and_in_their_order(compared: list[Compared]) -> None:
    differing = [page for page in compared if (page.agreement.words, page.agreement.pairs) != (1, 1)]

    assert [line(page) for page in differing if not options_are_left_out(page) and not utf8_is_found_out(page)] == []


async def test_many_encodings_and_languages_have_text_to_compare(compared: list[Compared]) -> None:
    with_text = {page.name for page in compared if page.agreement.tokens >= 40}
    pages = [page for page in catalogue.pages() if page.name in with_text]

    assert len(pages) >= 110
    assert len({page.charset for page in pages}) >= 8
    assert len({page.language for page in pages}) >= 20


async def test_every_page_is_read_in_its_encoding(compared: list[Compared]) -> None:
    charsets = {page.name: page.charset for page in catalogue.pages()}

    assert {page.name: page.ours for page in compared} == charsets


async def test_chromium_reads_the_same_encoding_or_it_is_known_why_not(compared: list[Compared]) -> None:
    differing = {page.name: f"{page.ours}, {page.theirs}" for page in compared if page.ours != page.theirs}

    assert differing == {name: reason.partition(":")[0] for name, reason in READ_OTHERWISE.items()}


async def test_anybody_can_compare_a_folder_of_pages(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "same.html").write_text("<meta charset=utf-8><p>one two</p>")
    (tmp_path / "other.htm").write_text("<meta charset=utf-8><p>one two</p><select><option>three</select>")

    command = [sys.executable, "-m", "tests.acceptance.real_pages", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)  # noqa: ASYNC221 - alone here

    worst, best, summary = done.stdout.splitlines()
    assert worst.startswith("0.8000")
    assert worst.endswith("missing 1: three")
    assert best.startswith("1.0000")
    assert summary.startswith("2 pages, median 0.9000")

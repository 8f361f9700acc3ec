from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from services.fetcher.counting.visible_text import read_html
from services.fetcher.reading.screening import CHILD_BYTES, Place, most_nodes, place_of

KIB = 1024
LETTERS = f"<p>{'Привет ' * 200}".encode()
PAGE = b'<div class="c"><p>hello <b>python</b> <a href="x">y</a></p></div>\n'


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(PAGE * 100, Place.INLINE, id="ordinary"),
        pytest.param(PAGE * 300, Place.INLINE, id="ordinary, 20 kB, 2,400 tags"),
        pytest.param(PAGE * 1_500, Place.THREAD, id="ordinary, 100 kB"),
        pytest.param(b"word " * 6_000, Place.INLINE, id="text"),
        pytest.param(PAGE * 2_100, Place.CHILD, id="many tags"),
        pytest.param(b"word.<br>\n" * 210_000, Place.CHILD, id="over 2 MiB"),
        pytest.param("<p>Привет".encode("cp1251"), Place.THREAD, id="not UTF-8"),
        pytest.param(LETTERS * 20, Place.INLINE, id="UTF-8"),
        pytest.param(LETTERS * 80, Place.THREAD, id="200 kB of Cyrillic letters"),
        pytest.param(LETTERS * 120, Place.CHILD, id="300 kB of Cyrillic letters"),
        pytest.param(b"<!-- -->\n" + b"a > b\n" * (CHILD_BYTES // 6), Place.CHILD, id="large"),
        pytest.param(b"<p " + b" ".join(b"a%d" % n for n in range(20_000)) + b">", Place.CHILD, id="one huge tag"),
        pytest.param(
            b"<p>" + b"".join(b"<b a=%d>" % n for n in range(1_000)) + b"<p>x" * 1_000, Place.CHILD, id="reopened"
        ),
        pytest.param(
            b"<p>" + b"".join(b"<FoNt\na=%d>" % n for n in range(1_000)) + b"<p>x" * 1_000,
            Place.CHILD,
            id="in capitals",
        ),
        pytest.param(
            ("<p>" + "".join(f"<b a={n}>" for n in range(1_000)) + "<p>x" * 1_000).encode("utf-16-le"),
            Place.CHILD,
            id="in UTF-16",
        ),
        pytest.param(
            b"<p>" + b"".join(b"<\x1b(Bb a=%d>" % n for n in range(1_000)) + b"<p>x" * 1_000,
            Place.CHILD,
            id="hidden by escapes of ISO-2022-JP",
        ),
        *(
            pytest.param(
                b"<p "
                + b" ".join(b"a%d" % n if n % 3_000 else b"a%d=%b>%b" % (n, quote, quote) for n in range(20_000)),
                Place.CHILD,
                id=f"one huge tag with ends in quotes, {quote.decode()}",
            )
            for quote in (b'"', b"'")
        ),
    ],
)
def test_rule_15_where_a_page_is_read(body: bytes, place: Place) -> None:
    assert place_of(body, suspect=False) is place
    assert place_of(body, suspect=True) is Place.CHILD


@pytest.mark.parametrize(
    ("words", "place"), [(1, Place.INLINE), (32, Place.INLINE), (33, Place.THREAD), (1_000, Place.THREAD)]
)
def test_a_page_for_many_words_is_not_read_on_the_loop(words: int, place: Place) -> None:
    assert place_of((b"x > y\n" * 32 * KIB)[: 32 * KIB], words=words, suspect=False) is place


@pytest.mark.parametrize(("words", "place"), [(1, Place.THREAD), (128, Place.THREAD), (129, Place.CHILD)])
def test_a_large_page_for_many_words_is_read_in_a_child(words: int, place: Place) -> None:
    assert place_of((b"x > y\n" * CHILD_BYTES)[:CHILD_BYTES], words=words, suspect=False) is place


TAGS = st.sampled_from(
    [
        "<b a={}>",
        "<b>",
        "<i>",
        "<u {}>",
        "<font size={}>",
        "<p>x",
        "<div>",
        "</p>",
        "</b>",
        "<a href={}>",
        "<nobr>",
        "<table><td>",
        "<li>",
        "</div>",
    ]
)


@given(st.lists(TAGS, max_size=60))
def test_a_tree_is_never_larger_than_its_bound(tags: list[str]) -> None:
    page = "".join(tag.format(number) for number, tag in enumerate(tags))
    elements = len(LexborHTMLParser(page).css("body *"))
    implied = page.count("<table>") * 2  # tbody and tr, made by the parser
    assert elements <= most_nodes(page.encode(), enough=0) + implied + len(tags)


def test_the_bound_does_not_grow_beyond_all_reason_for_ordinary_pages() -> None:
    sizes = [most_nodes(PAGE * count, enough=0) for count in (10, 100, 1_000)]
    assert all(after <= before * 20 for before, after in pairwise(sizes))
    assert read_html(PAGE.decode()).text

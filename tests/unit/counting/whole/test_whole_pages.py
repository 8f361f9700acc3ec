"""The service and a slow reading of the rule, over another HTML parser, count the same on whole pages."""

import re

import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from services.fetcher.counting import Question, count_page
from services.fetcher.counting.visible_text import BOUNDARY, read_html
from shared.messages import Scope
from shared.wording import is_empty_query
from tests.unit.counting.whole import answer, pages, visible

scopes: st.SearchStrategy[Scope] = st.sampled_from(["text", "text", "text", "source"])
JUSTHTML_SLIPS = re.compile(
    r"""<table.*<(?:\s|&) | </< | <select.*<(?:select|input|textarea)
    | <svg.*<(?:title|desc)[^>]*>[^<]*<(?!/(?:title|desc)>)""",
    re.DOTALL | re.VERBOSE,
)
"""What the other parser reads otherwise than the HTML Standard and Chromium do.

A bare `<` in a table is moved out before it with the white space behind it; `</<` begins a comment; other
elements may stand in a `select`, and in old parsers some of them ended it; a title of SVG may hold HTML, whose end tags
do not end it.
"""
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

# The same pages every time, and a failure shown as it was found: to make it smaller takes minutes.
QUICK = settings(suppress_health_check=SLOW, derandomize=True, phases=[Phase.explicit, Phase.generate])


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, str | None, Question]:
    html = draw(pages.document)
    body, content_type = draw(pages.sent(html))
    scope = draw(scopes)
    words = draw(pages.words_of(html))
    question = Question(
        words=tuple(word for word in dict.fromkeys(words) if not is_empty_query(word, scope)) or ("python",),
        scope=scope,
        whole_word=draw(st.booleans()),
        case_sensitive=draw(st.booleans()),
    )
    return body, content_type, question


def check(case: tuple[bytes, str | None, Question]) -> None:
    body, content_type, question = case
    assume(not JUSTHTML_SLIPS.search(body.decode("latin-1")))
    expected = answer.counts(body, content_type, question)
    counted = count_page(body, content_type, question)
    if expected is not None:  # else the rule leaves the encoding to a guess
        assert (counted.charset, counted.counts) == expected


@settings(QUICK, max_examples=400)
@given(pages.document)
@example(
    "<math><dialog>python</dialog><select>a</select><mi>b<select>c</select></mi></math><svg><dialog>d</dialog></svg>"
)
@example("a<ruby>b<rp>(<rt>c<rp>)</ruby>d<svg><desc>e</desc><text>f</text></svg>")
def test_visible_text_is_that_of_the_rule(html: str) -> None:
    assume(not JUSTHTML_SLIPS.search(html))
    found = read_html(html).text.split(BOUNDARY)
    assert sorted(tidied(found)) == sorted(tidied(visible.blocks(html)))


def tidied(blocks: list[str]) -> list[str]:
    return [tidy for block in blocks if (tidy := " ".join(block.split()))]


@settings(QUICK, max_examples=150)
@given(cases())
def test_counts_are_those_of_the_rule(case: tuple[bytes, str | None, Question]) -> None:
    check(case)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=20_000, suppress_health_check=SLOW)
@given(cases())
def test_counts_are_those_of_the_rule_on_many_pages(case: tuple[bytes, str | None, Question]) -> None:
    check(case)

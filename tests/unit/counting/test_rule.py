"""One test for each line of docs/counting.md that says what is text and what is a match."""

import pytest

from services.fetcher.counting import Question, count_page
from shared.messages import Scope
from shared.version import RULE_VERSION
from shared.wording import is_empty_query


def count(html: str, word: str, *, scope: Scope = "text", whole_word: bool = True, case_sensitive: bool = False) -> int:
    question = Question(words=(word,), scope=scope, whole_word=whole_word, case_sensitive=case_sensitive)
    return count_page(html.encode(), "text/html; charset=utf-8", question).total


DROPPED = {
    "comment": "<!-- fig -->",
    "script": "<script>fig</script>",
    "style": "<style>fig</style>",
    "template": "<template><p>fig</p></template>",
    "noscript": "<noscript><p>fig</p></noscript>",
    "noframes": "<noframes>fig</noframes>",
    "rp": "<ruby>x<rp>fig</rp></ruby>",
    "datalist": "<datalist><option>fig</option></datalist>",
    "select": "<select><optgroup label=fig><option>fig</option></optgroup></select>",
    "textarea": "<textarea>fig</textarea>",
    "iframe": "<iframe>fig</iframe>",
    "object": "<object><p>fig</p></object>",
    "video": "<video><p>fig</p></video>",
    "audio": "<audio>fig</audio>",
    "canvas": "<canvas>fig</canvas>",
    "svg title": "<svg><title>fig</title></svg>",
    "svg desc": "<svg><g><desc><b>fig</b></desc></g></svg>",
    "closed dialog": "<dialog>fig</dialog>",
    "hidden": "<div hidden><p>fig</p></div>",
    "hidden until found": "<div hidden=until-found>fig</div>",
    "hidden in svg": "<svg hidden><text>fig</text></svg>",
    "display none": "<div style='display:none'><p>fig</p></div>",
    "visibility hidden": "<p style='color: red; VISIBILITY : Hidden;'>fig</p>",
    "visible in hidden": "<p style='visibility:hidden'><b style='visibility:visible'>fig</b></p>",
    "important": "<p style='display:none!important; display:block'>fig</p>",
    "comment in style": "<p style='/* x */display/**/:/**/none/* ; */'>fig</p>",
    "value unknown to browsers": "<p style='display:none; display:blokc'>fig</p>",
    "value": "<input value=fig>",
    "placeholder": "<input placeholder=fig>",
    "alt": "<img alt=fig>",
    "title element in the body": "<title>fig</title>",
    "noembed": "<noembed>fig</noembed>",
    "progress": "<progress>fig</progress><meter>fig</meter>",
}

KEPT = {
    "closed details": "<details><summary>x</summary>fig</details>",
    "summary": "<details><summary>fig</summary></details>",
    "aria-hidden": "<p aria-hidden=true>fig</p>",
    "label": "<label>fig</label>",
    "button": "<button>fig</button>",
    "ruby text": "<ruby>x<rp>(</rp><rt>fig</rt><rp>)</rp></ruby>",
    "svg text": "<svg><g><text>fig</text></g></svg>",
    "html in svg": "<svg><foreignObject><p>fig</p></foreignObject></svg>",
    "mathml text": "<math><mtext>fig</mtext></math>",
    "open dialog": "<dialog open>fig</dialog>",
    "desc outside svg": "<desc>fig</desc>",
    "desc in html in svg": "<svg><foreignObject><desc>fig</desc></foreignObject></svg>",
    "data-hidden": "<p data-hidden>fig</p>",
    "last declaration": "<p style='display:none;display:block'>fig</p>",
    "in a string": """<p style="background:url('x;display:none')">fig</p>""",
    "in another property": "<p style='x-display:none;--display:none;backface-visibility:hidden'>fig</p>",
    "style sheet": "<style>p{display:none}</style><p>fig</p>",
    "unknown element": "<my-element>fig</my-element>",
    "plain markup": "<xmp>fig</xmp>",
    "after an unclosed paragraph": "<p>x<p>fig",
}


@pytest.mark.parametrize("html", DROPPED.values(), ids=DROPPED.keys())
def test_is_dropped(html: str) -> None:
    assert count(f"<!DOCTYPE html><p>a</p>{html}<p>fig</p>", "fig") == 1


@pytest.mark.parametrize("html", KEPT.values(), ids=KEPT.keys())
def test_is_kept(html: str) -> None:
    assert count(f"<!DOCTYPE html><p>a</p>{html}", "fig") == 1


def test_head_is_dropped_with_its_title() -> None:
    assert count("<head><title>fig</title><meta content=fig></head><body>x", "fig") == 0


def test_noscript_in_the_head_does_not_come_out_in_the_body() -> None:
    assert count("<head><noscript><p>fig</p></noscript><title>fig</title></head><body>x", "fig") == 0


def test_dropped_element_leaves_no_gap() -> None:
    assert count("<p>py<script>x</script>thon <span>py<i hidden>x</i>thon</span>", "python") == 2


@pytest.mark.parametrize(
    "html",
    ["py<b>thon</b>", "py<!-- x -->thon", "py<wbr>thon", "<i>p</i><u>y</u>thon", "py<x-y>thon</x-y>", "py<a><b>thon"],
)
def test_inline_elements_comments_and_wbr_join(html: str) -> None:
    assert count(f"<p>{html}</p>", "python") == 1


def test_br_is_white_space() -> None:
    assert count("<p>open<br>source", "open source") == 1
    assert count("<p>open <br/>\n source", "open source") == 1
    assert count("<p>py<br>thon", "python") == 0


BLOCKS = (
    "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hgroup legend li listing main menu nav ol p pre search section summary ul xmp "
    "optgroup option"
)


@pytest.mark.parametrize("name", BLOCKS.split())
def test_edges_of_blocks_are_boundaries(name: str) -> None:
    element = f"<{name} open>data</{name}>"
    html = f"<div>big {element} science</div>"

    assert count(html, "data") == 1
    assert count(html, "big data") == 0
    assert count(html, "data science") == 0
    assert count(f"<div>big{element}science</div>", "data") == 1


def test_cells_rows_and_captions_are_boundaries() -> None:
    html = "<table><caption>big</caption><tr><th>data<td>big<tr><td>data</table>"

    assert count(html, "big data") == 0
    assert count(html, "databig", whole_word=False) == 0
    assert count(html, "big") == count(html, "data") == 2


def test_hr_is_a_boundary() -> None:
    assert count("<div>big<hr>data</div>", "big data") == 0
    assert count("<div>big<hr>data</div>", "data") == 1


def test_svg_texts_are_apart() -> None:
    assert count("<svg><text>big</text><text>data</text></svg>", "data") == 1
    assert count("<svg><text>big </text><text>data</text></svg>", "big data") == 0


def test_runs_of_white_space_are_one_space() -> None:
    assert count("<p>open \n\t\f source", "open source") == 1


def test_white_space_in_pre_is_one_space_to_a_phrase_and_kept_in_snippets() -> None:
    page = b"<p>a  b</p><pre>x  open\n   source</pre>"
    counted = count_page(page, "text/html", Question(words=("open source",)))

    assert counted.total == 1
    assert counted.snippets["open source"][0].match == "open\n   source"
    assert counted.snippets["open source"][0].before == "x  "


def test_ruby_text_is_read_beside_its_line() -> None:
    html = "<p><ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rp>(</rp><rt>きょう</rt><rp>)</rp></ruby>タワー</p>"

    assert count(html, "東京タワー") == 1
    assert count(html, "きょう") == 1
    assert count("<ruby>WWW<rt>World Wide Web</rt></ruby>s", "world wide web") == 1


@pytest.mark.parametrize("char", "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u202c\u2066\u034f\ufe0f")
def test_what_takes_no_room_is_ignored_on_both_sides(char: str) -> None:
    assert count(f"<p>py{char}thon python", "python") == 2
    assert count(f"<p>py{char}thon python", f"{char}pyth{char}on") == 2
    assert count(f"<p>python{char}ic mono{char}python", "python") == 0


def test_compatibility_and_composition() -> None:
    assert count("<p>Ｐｙｔｈｏｎ ｐｙｔｈｏｎ", "python") == 2
    assert count("<p>ﬁle oﬃce", "file") == 1
    assert count("<p>oﬃce", "office") == 1
    assert count("<p>cafe\u0301 café cafe", "café") == 2
    assert count("<p>cafe\u0301 café cafe", "cafe\u0301") == 2
    assert count("<p>ｻｰﾊﾞｰ", "サーバー") == 1
    assert count("<p>가 가 ㄱㅏ", "가") == 3
    assert count("<p>x² x2", "x2") == 2


def test_full_case_folding() -> None:
    assert count("<p>Straße STRASSE STRAẞE strasse", "straße") == 4
    assert count("<p>ΣΟΦΟΣ σοφος", "σοφοσ") == 2
    assert count("<p>İstanbul istanbul", "istanbul") == 1
    assert count("<p>Python python", "python", case_sensitive=True) == 1
    assert count("<p>ＰＹ PY py", "PY", case_sensitive=True) == 2


def test_typographic_apostrophe_is_an_apostrophe() -> None:
    assert count("<p>l’été l'été", "l'été") == count("<p>l’été l'été", "l’été") == 2


def test_query_of_nothing() -> None:
    assert is_empty_query("\u00ad\u200b\ufeff", "text")
    assert is_empty_query(" \u00a0\n", "text")
    assert not is_empty_query(" ", "source")
    assert not is_empty_query("\u00ad", "source")
    assert not is_empty_query("-", "text")


def test_source_is_the_decoded_body_as_it_is() -> None:
    html = "<p class=fig>fig&#102; <!-- fig --> Fig f\u00adig ﬁg</p>"

    assert count(html, "fig", scope="source", whole_word=False, case_sensitive=True) == html.count("fig")
    assert count(html, "FIG", scope="source", whole_word=False) == html.casefold().count("fig") == 5
    assert count(html + "figs", "fig", scope="source") == 5
    assert count("<p>a  b a b", "a b", scope="source") == 1
    assert count("aaaa", "aa", scope="source", whole_word=False, case_sensitive=True) == "aaaa".count("aa")


def test_whole_word() -> None:
    assert count("<p>pythonic mypython python3 python_ _python", "python") == 0
    assert count("<p>python Python, (python) “python” python-like python's python.", "python") == 7
    assert count("<p>pythonic", "python", whole_word=False) == 1
    assert count("<p>C++, c++17 C++", "c++") == 3
    assert count("<p>vc++", "c++") == 0
    assert count("<p>.net ASP.NET x.net", ".net") == 3


def test_edges_are_looked_for_in_the_text_as_written() -> None:
    assert count("<p>Python™ Python² Pythonⓒ", "python") == 3
    assert count("<p>Python入門 Pythonを Pythonไทย", "python") == 3
    assert count("<p>Pythoné Pythone\u0301 Python३", "python") == 0
    assert count("<p>aﬁ", "i") == 0
    assert count("<p>aﬁ", "i", whole_word=False) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("東京都", "京"),
        ("ひらがな", "らが"),
        ("サーバー", "サーバ"),
        ("人々", "人"),
        ("ภาษาไทย", "ไทย"),
        ("ພາສາລາວ", "ລາວ"),
        ("ភាសាខ្មែរ", "ខ្មែរ"),
        ("မြန်မာစာ", "မာ"),
        ("x東京y", "東京"),
        ("第3章", "3"),
    ],
)
def test_scripts_without_edges(text: str, word: str) -> None:
    assert count(f"<p>{text}", word) == 1


def test_hangul_has_a_left_edge_against_hangul_only() -> None:
    assert count("<p>서버는 서버", "서버") == 2
    assert count("<p>웹서버", "서버") == 0
    assert count("<p>Apache는 한Apache", "Apache") == 2
    assert count("<p>Apache서버 2서버", "서버") == 2


def test_any_white_space_in_a_phrase_is_one_space() -> None:
    for space in ("&nbsp;", "\u3000", "\u2009", "&nbsp; ", "\u2028", " <b> </b>"):
        assert count(f"<p>open{space}source", "open source") == 1
    assert count("<p>open source", "open \u00a0source") == 1
    assert count("<p>opensource", "open source") == 0
    assert count("<p>open source", " open source ") == 1


def test_phrase_never_crosses_a_boundary() -> None:
    assert count("<p>open</p> <p>source</p>", "open source") == 0
    assert count("<p>open</p><p>source</p>", "open\0source", whole_word=False) == 0


def test_occurrences_do_not_overlap() -> None:
    assert count("<p>aaaaa", "aa", whole_word=False) == 2
    assert count("<p>ab ab ab", "ab ab") == 1


def test_refused_candidate_consumes_nothing() -> None:
    assert count("<p>xa a a", "a a") == 1
    assert count("<p>a-a-ab a-a", "a-a") == 2


def test_words_are_counted_independently() -> None:
    page = b"<p>open source, open data, Open"
    question = Question(words=("open", "open source", "Open", "open", "OPEN", "data"))
    counted = count_page(page, "text/html", question)

    assert counted.counts == {"open": 3, "open source": 1, "Open": 3, "OPEN": 3, "data": 1}
    assert list(counted.counts) == ["open", "open source", "Open", "OPEN", "data"]
    assert counted.total == 11


def test_rule_version_is_stored() -> None:
    assert count_page(b"x", "text/html", Question(words=("x",))).rule_version == RULE_VERSION == 1

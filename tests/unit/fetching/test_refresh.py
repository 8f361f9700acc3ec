import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.fetching.refresh import SCANNED_BYTES, in_header, in_page
from shared.urls import normalize

PAGE = normalize("http://example.org/a/b?c")
HTML = "text/html; charset=utf-8"


def leads_to(body: str | bytes, content_type: str | None = HTML) -> str | None:
    found = in_page(PAGE, content_type, body.encode() if isinstance(body, str) else body)
    return found.url if found else None


def meta(content: str) -> str:
    return f'<meta http-equiv="refresh" content="{content}">'


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("0;url=/x", "http://example.org/x"),
        ("0; url=x", "http://example.org/a/x"),
        ("0,URL = x", "http://example.org/a/x"),
        (" \t0 ;\n uRl\t=\r x", "http://example.org/a/x"),
        ("0 url=x", "http://example.org/a/x"),
        ("0;x", "http://example.org/a/x"),
        ("0 x", "http://example.org/a/x"),
        ("00;url=x", "http://example.org/a/x"),
        ("0.0;url=x", "http://example.org/a/x"),
        ("0.;url=x", "http://example.org/a/x"),
        (".;url=x", "http://example.org/a/x"),
        ("0.5;url=x", "http://example.org/a/x"),  # by the standard, only whole seconds count
        (".5;url=x", "http://example.org/a/x"),
        ("0..0.;url=x", "http://example.org/a/x"),
        ("0;url='x y' and more", "http://example.org/a/x%20y"),
        ("0;'x'", "http://example.org/a/x"),
        ("0;url='x", "http://example.org/a/x"),
        ("0;url=//other.example/", "http://other.example/"),
        ("0;url=?d", "http://example.org/a/b?d"),
        ("0;url", "http://example.org/a/url"),
        ("0;urls=x", "http://example.org/a/urls=x"),
        ("0;;url=x", "http://example.org/a/;url=x"),
        ("0;url=http://other.example:8080/#here", "http://other.example:8080/"),
        # the page is the page
        ("5;url=x", None),
        ("10;url=x", None),
        ("-0;url=x", None),
        ("0x;url=x", None),
        ("url=x", None),
        ("", None),
        ("0", None),
        ("0;", None),
        ("0;url=", None),
        ("0;url=''", None),
        ("0;url=#here", None),
        ("0;url=b?c", None),
        ("0;url=http://EXAMPLE.org:80/a/./b?c#top", None),
        ("0;url=javascript:go()", None),
        ("0;url=data:text/html,x", None),
        ("0;url=mailto:a@example.org", None),
        ("0;url=http://u:p@other.example/", None),
        ("0;url=http://[", None),
        ("٠;url=x", None),
    ],
)
def test_what_is_followed(value: str, target: str | None) -> None:
    assert leads_to(meta(value)) == target
    found = in_header(PAGE, value)
    assert (found.url if found else None) == target


@pytest.mark.parametrize(
    "markup",
    [
        "<META HTTP-EQUIV='Refresh' CONTENT='0;url=/x'>",
        "<meta http-equiv=refresh content=0;url=/x>",
        "<meta/content='0;url=/x'/http-equiv='refresh'/>",
        "<meta content='0;url=/x' content='9' http-equiv=refresh http-equiv=x>",
        "<meta name=a><meta charset=utf-8><meta http-equiv=refresh content=0;/x>",
        "<!-- <b> --><meta http-equiv=refresh content=0;/x>",
        "<!--><meta http-equiv=refresh content=0;/x>-->",
        "<!---><meta http-equiv=refresh content=0;/x>-->",
        "<!-- --!><meta http-equiv=refresh content=0;/x>-->",
        "<!doctype html><?php ?></ x><meta http-equiv=refresh content=0;/x>",
        "<body title='>'><p a=\"<script>\"><meta http-equiv=refresh content=0;/x>",
        "<script>if (a<b) '<meta http-equiv=refresh content=0;/y>'</script ><meta http-equiv=refresh content=0;/x>",
        "<script><!-- <script></script><meta http-equiv=refresh content=0;/y>--></script>"
        "<meta http-equiv=refresh content=0;/x>",
        "<script><!-- </script><meta http-equiv=refresh content=0;/x>",
        "<script><!-- <script> --></script><meta http-equiv=refresh content=0;/x>",
        "<title><meta http-equiv=refresh content=0;/y></titles></TITLE\n><meta http-equiv=refresh content=0;/x>",
        "<template><template></template><meta http-equiv=refresh content=0;/y></template>"
        "<meta http-equiv=refresh content=0;/x>",
        "<noscript><meta http-equiv=refresh content=0;/y></noscript><meta http-equiv=refresh content=0;/x>",
        "<meta http-equiv=refresh content=x><meta http-equiv=refresh content=0;/x>",
        "<meta http-equiv=refresh content='0;javascript:x'><meta http-equiv=refresh content=0;/x>",
        "<meta http-equiv=refresh><meta http-equiv=refresh content=0;/x>",
        "<base target=_top><meta http-equiv=refresh content=0;/x>",
        "< meta><meta http-equiv=refresh content=0;/x>",
        "<svg><path d='M0'/></svg><meta http-equiv=refresh content=0;/x>",
    ],
)  # fmt: skip
def test_where_a_meta_counts(markup: str) -> None:
    assert leads_to(markup) == "http://example.org/x"


@pytest.mark.parametrize(
    "markup",
    [
        "<!-- <meta http-equiv=refresh content=0;/x> -->",
        "<!-- <meta http-equiv=refresh content=0;/x>",
        "<! <meta http-equiv=refresh content=0;/x",
        *(
            f"<{name}><meta http-equiv=refresh content=0;/x></{name}>"
            for name in (
                "script", "style", "textarea", "title", "noscript", "template",
                "iframe", "noembed", "noframes", "xmp", "plaintext",
            )
        ),
        "<p title='<meta http-equiv=refresh content=0;/x>'>",
        "<p title='<meta http-equiv=refresh content=0;/x>",
        "<meta http-equiv=refresh content='0;/x'",
        "<meta http-equiv=refresh content='0;/x>",
        "</meta http-equiv=refresh content='0;/x'>",
        "<metas http-equiv=refresh content='0;/x'>",
        "<meta name=refresh content='0;/x'>",
        "<meta http-equiv=refreshed content='0;/x'>",
        "<meta http-equiv=refresh content='9;/y'><meta http-equiv=refresh content='0;/x'>",
        "<meta http-equiv=refresh content='0'><meta http-equiv=refresh content='0;/x'>",
        "&lt;meta http-equiv=refresh content='0;/x'&gt;",
        "A refresh: content=0;/x",
    ],
)  # fmt: skip
def test_where_a_meta_is_none(markup: str) -> None:
    assert leads_to(markup) is None


@pytest.mark.parametrize(
    ("markup", "target"),
    [
        ("<base href=/x/><meta http-equiv=refresh content=0;y>", "http://example.org/x/y"),
        ("<base href=//other.example><meta http-equiv=refresh content=0;y>", "http://other.example/y"),
        ("<base href=x/><base href=z/><meta http-equiv=refresh content=0;y>", "http://example.org/a/x/y"),
        ("<base href=http://[><base href=z/><meta http-equiv=refresh content=0;y>", "http://example.org/a/y"),
        ("<base href=javascript:><meta http-equiv=refresh content=0;y>", "http://example.org/a/y"),
        ("<meta http-equiv=refresh content=0;y><base href=/x/>", "http://example.org/a/y"),
        ("<!--<base href=/x/>--><meta http-equiv=refresh content=0;y>", "http://example.org/a/y"),
        ("<base href='/x?a&amp;b'><meta http-equiv=refresh content=0;?c>", "http://example.org/x?c"),
    ],
)
def test_the_base_of_the_page_counts(markup: str, target: str) -> None:
    assert leads_to(markup) == target


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("?a=1&amp;b=2", "?a=1&b=2"),
        ("?a=1&b=2", "?a=1&b=2"),
        ("?a=1&copy=2", "?a=1&copy=2"),
        ("?a=1&copyx", "?a=1&copyx"),
        ("?a=1&#38;b&#x26;c", "?a=1&b&c"),
        ("?a&#61b", "?a=b"),
        ("&sol;x", "http://example.org/x"),
        ("caf&eacute;", "http://example.org/a/caf%C3%A9"),
        ("café", "http://example.org/a/caf%C3%A9"),
    ],
)
def test_character_references(written: str, meant: str) -> None:
    target = meant if meant.startswith("http") else f"http://example.org/a/b{meant}"
    assert leads_to(meta(f"0;url={written}")) == target


def test_bytes_and_utf16() -> None:
    assert leads_to(meta("0;url=caf").encode()[:-2] + b'\xe9">') == "http://example.org/a/caf%E9"
    for codec, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        assert leads_to(mark + meta("0;url=é").encode(codec)) == "http://example.org/a/%C3%A9"
    assert leads_to(b"\xef\xbb\xbf" + meta("0;url=x").encode()) == "http://example.org/a/x"


def test_only_html_has_tags() -> None:
    page = f"<html>{meta('0;url=/x')}"
    assert leads_to(page, "application/xhtml+xml") == leads_to(page, None) == "http://example.org/x"
    assert leads_to(page, "text/plain") is None
    assert leads_to(page, "application/json") is None
    assert leads_to(page, "image/svg+xml") is None
    assert leads_to(f"text {page}", None) is None


def test_only_the_beginning_is_looked_at() -> None:
    tag = meta("0;url=/x")
    assert leads_to(" " * (SCANNED_BYTES - len(tag)) + tag) == "http://example.org/x"
    assert leads_to(" " * (SCANNED_BYTES - len(tag) + 1) + tag) is None


HOSTILE: list[Callable[[int], str]] = [
    lambda n: "<" * n,
    lambda n: "<a" * n,
    lambda n: "<a " * n,
    lambda n: "<a b='" * n,
    lambda n: '<a b="' * n,
    lambda n: "<a =" * n,
    lambda n: "<!--" * n,
    lambda n: "<!-->" * n,
    lambda n: "<!--a--" * n,
    lambda n: "<!" * n,
    lambda n: "</" * n,
    lambda n: "<script>" * n,
    lambda n: "<script><!--" * n,
    lambda n: "<title>" * n,
    lambda n: "<title></title" * n,
    lambda n: "<template>" * n,
    lambda n: "<meta http-equiv=refresh content='" + " " * n + "'>",
    lambda n: "<meta http-equiv=refresh content=' x'>" * n,
    lambda n: "<meta http-equiv=refresh content='0" + "." * n + "x'>",
    lambda n: "<meta http-equiv=refresh content='0;" + "&" * n + "'>",
    lambda n: "<meta http-equiv=refresh content='0;" + "&a" * n + "'>",
    lambda n: "<meta http-equiv=refresh content='0;url" + " " * n + "'>",
    lambda n: "<base href=" + "a/../" * n + ">",
    lambda n: "<a " + "b " * n,
    lambda n: "<a " + "/" * n,
    lambda n: "<a b" + " " * n,
    lambda n: "<a b=" + " " * n,
    lambda n: "<meta " * n,
]


@pytest.mark.parametrize("make", HOSTILE)
def test_nothing_takes_long(make: Callable[[int], str]) -> None:
    """No pattern, however often repeated, costs more than its length: 64 KiB of the worst take some 30 ms."""
    body = make(SCANNED_BYTES).encode()[: SCANNED_BYTES - 10] + b" refresh"
    began_s = time.process_time()
    leads_to(body)
    assert time.process_time() - began_s < 0.5


@given(st.text(alphabet="<>!-/ab='\"&;0 \n", max_size=60).map(lambda text: text + meta("0;url=/x")))
def test_nothing_breaks_the_scan(text: str) -> None:
    assert leads_to(text) in {None, "http://example.org/x"}


@given(st.binary(), st.binary())
def test_no_bytes_break_it(before: bytes, content: bytes) -> None:
    leads_to(before + b"<meta http-equiv=refresh content='0;" + content + b"'>")
    in_header(PAGE, content.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "markup", ["<meta http-equiv=refresh content='0;url=/{}'>", "<base href='{}'><meta http-equiv=refresh content=5>"]
)
def test_a_reference_beyond_all_numbers_is_no_fault_of_ours(markup: str) -> None:
    in_page(PAGE, "text/html", markup.format(f"&#{'9' * 5_000};").encode())

import pytest

from services.fetcher.counting import Kind, UnsupportedType, kind_of
from services.fetcher.counting.kinds import sniff


@pytest.mark.parametrize(
    "content_type", ["text/html", "TEXT/HTML; charset=x", " application/xhtml+xml ;q", "text/html, text/html"]
)
def test_html(content_type: str) -> None:
    assert kind_of(content_type) is Kind.HTML


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/markdown; charset=utf-8",
        "application/json",
        "application/ld+json",
        "application/xml",
        "text/xml",
        "application/atom+xml",
        "image/svg+xml",
        "text/css",
    ],
)
def test_plain_text(content_type: str) -> None:
    assert kind_of(content_type) is Kind.PLAIN


@pytest.mark.parametrize("content_type", [None, "", "nonsense", "*/*", "; charset=utf-8", "text"])
def test_a_header_that_says_nothing_is_no_type(content_type: str | None) -> None:
    assert kind_of(content_type) is None


@pytest.mark.parametrize(
    "content_type", ["image/png", "application/pdf", "application/octet-stream", "video/mp4", "application/zip"]
)
def test_anything_else_is_not_supported(content_type: str) -> None:
    with pytest.raises(UnsupportedType) as raised:
        kind_of(content_type)

    assert raised.value.code == "unsupported_type"
    assert content_type in raised.value.detail


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!DOCTYPE html><p>x", Kind.HTML),
        (b"\n\t <HTML lang=en>", Kind.HTML),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html>", Kind.HTML),
        (b"<!-- x --><p>", Kind.HTML),
        (b"\xef\xbb\xbf<p>x", Kind.HTML),
        ("\ufeff<html>".encode("utf-16-be"), Kind.HTML),
        (b"<pre>x", Kind.PLAIN),
        (b"<?xml version='1.0'?><rss>", Kind.PLAIN),
        (b'{"a": 1}', Kind.PLAIN),
        ("héllo".encode("latin-1"), Kind.PLAIN),
        (b"", Kind.PLAIN),
    ],
)
def test_body_without_a_type_is_sniffed(body: bytes, kind: Kind) -> None:
    assert sniff(body) is kind


@pytest.mark.parametrize("body", [b"\x89PNG\r\n\x1a\n\0", b"%PDF-1.7", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"a\0b"])
def test_body_that_is_not_text_is_not_supported(body: bytes) -> None:
    with pytest.raises(UnsupportedType):
        sniff(body)

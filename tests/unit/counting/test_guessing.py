"""Pages that say nothing of their encoding are read right all the same, in the encodings that such pages are in."""

import pytest

from services.fetcher.counting.decoding import decode
from services.fetcher.counting.guessing import guess
from services.fetcher.counting.kinds import Kind
from tests.unit.counting.undeclared import PARAGRAPHS, SENT_AS, page

IDS = [f"{language}, {name}" for language, name, _ in SENT_AS]


def is_read_right(language: str, codec: str, size: int) -> bool:
    body, text = page(language, codec, size)
    return decode(body, "text/html", Kind.HTML).text == text


@pytest.mark.parametrize("size", [1_000, 10_000])
@pytest.mark.parametrize(("language", "codec"), [(language, codec) for language, _, codec in SENT_AS], ids=IDS)
def test_a_page_of_some_length_is_read_right(language: str, codec: str, size: int) -> None:
    assert is_read_right(language, codec, size)


def test_nearly_all_short_pages_are_read_right() -> None:
    wrong = [language for language, _, codec in SENT_AS if not is_read_right(language, codec, 100)]
    assert len(wrong) <= len(SENT_AS) // 10


@pytest.mark.parametrize(("language", "name", "codec"), SENT_AS, ids=IDS)
def test_where_on_the_page_the_text_stands_does_not_matter(language: str, name: str, codec: str) -> None:
    text = PARAGRAPHS[language].encode(codec, "ignore").decode(codec)
    body = f"<script>{'var x = 1; ' * 10_000}</script><p>{text}".encode(codec)
    assert decode(body, "text/html", Kind.HTML).text == body.decode(codec)


@pytest.mark.parametrize(
    ("language", "codec"), [("japanese", "cp932"), ("japanese", "euc_jp"), ("simplified", "gb18030"), ("thai", "cp874")]
)
def test_a_text_without_any_space_is_read_right(language: str, codec: str) -> None:
    text = "".join(PARAGRAPHS[language].split()) * 60
    assert decode(b"<p>" + text.encode(codec), "text/html", Kind.HTML).text == f"<p>{text}"


@pytest.mark.parametrize(
    "body",
    [b"\xe9", b"caf\xe9", b"na\xefve caf\xe9", b"\x93x\x94 \x96", b"\xa9 1999", b"\xff\x80\x81"],
)
def test_too_little_to_tell_by_is_western(body: bytes) -> None:
    assert guess(body) == "windows-1252"

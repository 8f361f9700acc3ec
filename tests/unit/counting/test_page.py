import msgspec
import pytest

from services.fetcher.counting import PageCount, Question, Snippet, UnsupportedType, count_page


def counted(
    body: str, *words: str, content_type: str | None = "text/html; charset=utf-8", **options: bool
) -> PageCount:
    return count_page(body.encode(), content_type, Question(words=words, **options))  # type: ignore[arg-type]


def test_snippet_shows_the_text_as_written_with_forty_characters_on_either_side() -> None:
    page = counted(f"<p>{'x' * 50} Ｐy\u00adＴhon™ {'y' * 50}", "python")

    assert page.snippets == {"python": [Snippet(before="x" * 39 + " ", match="Ｐy\u00adＴhon", after="™ " + "y" * 38)]}


def test_snippet_stays_in_its_block() -> None:
    page = counted("<p>before</p><p>a fig b</p><p>after</p>", "fig")

    assert page.snippets["fig"] == [Snippet(before="a ", match="fig", after=" b")]


def test_at_most_three_snippets_of_a_word_in_the_order_of_the_page() -> None:
    page = counted("<p>1 fig</p><p>2 Fig</p><p>3 FIG</p><p>4 fig</p>", "fig", "Fig", "kiwi")

    assert [s.match for s in page.snippets["fig"]] == ["fig", "Fig", "FIG"]
    assert page.snippets["Fig"] == page.snippets["fig"]
    assert "kiwi" not in page.snippets
    assert page.counts == {"fig": 4, "Fig": 4, "kiwi": 0}


def test_snippets_are_64_kib_in_all_and_every_word_has_one_before_any_has_two() -> None:
    words = [f"word{number}x" for number in range(1_000)]
    line = "é" * 39 + " "
    page = counted("".join(f"<p>{line}{word} {line}</p>" * 3 for word in words), *words)

    size_bytes = sum(len(msgspec.json.encode(s)) for shown in page.snippets.values() for s in shown)
    assert 60_000 < size_bytes <= 65_536
    assert {len(shown) for shown in page.snippets.values()} == {1}
    assert page.total == 3_000


def test_a_match_too_long_to_show_is_still_counted() -> None:
    page = counted("<p>fi" + "\u200b" * 70_000 + "g and fig</p>", "fig")

    assert page.total == 2
    assert len(page.snippets["fig"]) == 1


def test_source_has_snippets_too() -> None:
    page = count_page(b"<p class=fig>\0x", "text/html", Question(words=("fig",), scope="source"))

    assert page.snippets["fig"] == [Snippet(before="<p class=", match="fig", after=">")]


def test_durations_are_the_clocks() -> None:
    ticks = iter([1.0, 1.5, 3.5])
    page = count_page(b"x", "text/plain", Question(words=("x",)), clock=lambda: next(ticks))

    assert (page.parse_ms, page.count_ms) == (500.0, 2_000.0)


def test_plain_kinds_are_read_as_they_are() -> None:
    for content_type in ("text/plain", "application/xml", "application/json"):
        page = counted("<p hidden>fig &amp; <!-- fig -->\n\n FIG", "fig", content_type=content_type)
        assert (page.total, page.title) == (3, None)


def test_phrase_may_run_over_lines_of_plain_text() -> None:
    assert counted("open\r\n source", "open source", content_type="text/plain").total == 1


def test_body_without_a_type_is_sniffed() -> None:
    assert counted("<!doctype html><p hidden>fig</p>", "fig", content_type=None).total == 0
    assert counted("<fig hidden>fig</fig>", "fig", content_type=None).total == 3
    with pytest.raises(UnsupportedType):
        count_page(b"\x89PNG\0", None, Question(words=("x",)))


def test_title_and_charset_are_reported() -> None:
    page = count_page("<title>Überblick</title>".encode("latin-1"), "text/html; charset=latin1", Question(words=("x",)))

    assert (page.title, page.charset) == ("Überblick", "windows-1252")


# What these pages need grew with the square of their length, and more: minutes.
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("page", "words", "total"),
    [
        pytest.param('<p style="display:a' + " " * 20_000 + 'x none">python', ("python",), 1, id="blanks in a style"),
        pytest.param("<p>" + "é" * 31_000, tuple("é" * n for n in range(1, 181)), 0, id="words within a long one"),
        pytest.param("<p>\u00ad" + "a" * 60_000, tuple("a" * n for n in range(1, 181)), 0, id="the same, displaced"),
        pytest.param(
            "<p>" + "aﬁ a" * 5_000,
            tuple("afi a" * n + end for n in range(1, 20) for end in "abcdefghijklmnop"),
            0,
            id="edges that have moved",
        ),
        pytest.param("<p>" + "a-" * 60_000, tuple("a-" * n + "b" for n in range(1, 91)), 0, id="almost there"),
        pytest.param(
            "<p>" + "日" * 300_000, tuple(chr(n) + "日" * 199 for n in range(ord("一"), ord("一") + 109)), 0, id="ends"
        ),
    ],
)
def test_pages_that_are_made_to_be_slow_are_not(page: str, words: tuple[str, ...], total: int) -> None:
    assert count_page(page.encode(), "text/html; charset=utf-8", Question(words=words)).total == total


def test_a_title_with_a_number_beyond_all_numbers_is_no_fault_of_ours() -> None:
    body = b"<title>&#" + b"1" * 5_000 + b";</title> python"
    assert count_page(body, "text/html", Question(words=("python",), scope="source")).total == 1

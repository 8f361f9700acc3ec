import pytest

from deploy.local import demo
from deploy.sample_site.site import Page, pages
from services.fetcher.counting import Question, count_page


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path)
def test_the_counts_beside_a_sample_page_are_right(page: Page) -> None:
    question = Question(words=tuple(page.counts), scope="text", whole_word=True, case_sensitive=False)

    assert count_page(page.body, page.content_type, question).counts == page.counts


def test_words_are_parted_by_semicolons() -> None:
    assert demo.split_words("python; open source ;;c++") == ["python", "open source", "c++"]


def test_no_words_are_the_default_word() -> None:
    assert demo.split_words(" ") == ["python"]


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    shown = demo.table([("word", "count"), ("言葉", "3"), ("a", "12")])

    assert shown == "word  count\n----  -----\n言葉      3\na        12"

import pytest

from services.fetcher.counting import PageCount, Question, count_page
from services.fetcher.reading.counter import load, path_of


def test_a_function_of_a_module_is_found_by_its_path() -> None:
    assert load(path_of(count_page)) is count_page


def test_what_another_process_could_not_find_is_refused() -> None:
    def count(body: bytes, content_type: str | None, question: Question) -> PageCount:
        return count_page(body, content_type, question)

    with pytest.raises(ValueError, match="can't be imported"):
        path_of(count)

"""Records as rows: what makes two of them the same, and what makes one invalid."""

from uuid import UUID

import pytest

from services.recorder import questions
from services.recorder.batches import rows
from shared.messages import FillBatch, Question, Record
from tests import factories

SAME = questions.same_of(Question(words=("a", "b")))


def chunk(*records: Record, asked: tuple[Question, ...] = ()) -> FillBatch:
    batch = factories.open_batch().batch_id
    return factories.about_batch(FillBatch, batch_id=batch, number=0, first_seq=5, records=records, questions=asked)


def test_two_records_are_the_same_by_url_and_what_questions_share() -> None:
    assert rows.same("http://a/", SAME) == rows.same("http://a/", questions.same_of(Question(words=("b", "a"))))
    assert rows.same("http://a/", SAME) != rows.same("http://b/", SAME)
    assert rows.same("http://a/", SAME) != rows.same("http://a/", questions.same_of(Question(words=("a",))))


def test_columns_are_in_the_order_of_records_and_numbered_on() -> None:
    own = Question(words=("ruby",))
    columns = rows.lines(chunk(factories.record(1), factories.record(2, question=0), asked=(own,)), SAME)
    assert columns[0] == [5, 6]
    assert columns[5] == [None, questions.id_of(own)]
    assert columns[7] == [
        rows.same("http://example.org/1", SAME),
        rows.same("http://example.org/2", questions.same_of(own)),
    ]


def test_of_no_records_there_are_as_many_columns() -> None:
    assert len(rows.lines(chunk(), SAME)) == len(rows.lines(chunk(factories.record()), SAME))


@pytest.mark.parametrize(
    "record",
    [
        factories.invalid_record(),
        Record(line=1, text="x"),
        Record(line=1, text="x", url="http://a/"),
        factories.record(1, reason="Is too long."),
    ],
    ids=["a reason", "no URL", "no host", "a URL all the same"],
)
def test_what_can_not_be_checked_is_invalid_and_like_no_other(record: Record) -> None:
    columns = rows.lines(chunk(record), SAME)
    assert (columns[7], columns[8]) == ([None], ["invalid"])
    assert rows.is_invalid(record)


def test_ids_of_contents_are_ids() -> None:
    assert isinstance(rows.same("http://a/", UUID(int=0)), UUID)

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.batches.chunks import MOST_BYTES, MOST_RECORDS, Chunk, Digest, Packer
from services.gateway.uploads.options import Options
from services.gateway.uploads.records import Defaults, ReadRecord
from shared.messages import Question

PYTHON, SNAKE = Question(words=("python",)), Question(words=("snake",))
OPTIONS = Options(Defaults(PYTHON), None)


def record(line: int, *, text: str = "a", question: Question | None = None, file: str | None = None) -> ReadRecord:
    return ReadRecord(line, text, "http://a/", "a", question, None, None, file)


def packed(records: list[ReadRecord]) -> list[Chunk]:
    packer = Packer()
    chunks = [chunk for each in records if (chunk := packer.add(each))]
    last = packer.cut()
    assert packer.total == len(records)
    assert packer.cut() is None
    return [*chunks, *([last] if last else [])]


def test_many_records_are_chunks_that_follow_on_each_other() -> None:
    chunks = packed([record(line) for line in range(1, 2 * MOST_RECORDS + 2)])
    assert [(chunk.first_seq, len(chunk.records)) for chunk in chunks] == [(1, 1000), (1001, 1000), (2001, 1)]


def test_questions_stand_once_in_a_chunk() -> None:
    asked = [None, SNAKE, PYTHON, Question(words=("snake",)), None]
    (chunk,) = packed([record(line, question=each) for line, each in enumerate(asked, 1)])
    assert chunk.questions == (SNAKE, PYTHON)
    assert [each.question for each in chunk.records] == [None, 0, 1, 0, None]


def test_a_chunk_is_of_one_file() -> None:
    chunks = packed([record(1, file="a"), record(2, file="a"), record(1, file="b")])
    assert [(chunk.file, chunk.first_seq) for chunk in chunks] == [("a", 1), ("b", 3)]


@given(st.lists(st.tuples(st.integers(0, 120_000), st.booleans(), st.sampled_from([None, "a"])), max_size=20))
def test_chunks_hold_all_records_in_order_and_are_bounded(made: list[tuple[int, bool, str | None]]) -> None:
    records = [
        record(line, text="x" * size, question=SNAKE if own else None, file=file)
        for line, (size, own, file) in enumerate(made, 1)
    ]
    chunks = packed(records)
    assert [each.line for chunk in chunks for each in chunk.records] == [each.line for each in records]
    for chunk in chunks:
        assert len(chunk.records) == 1 or chunk.size_bytes <= MOST_BYTES
        assert all(each.question is None or chunk.questions[each.question] == SNAKE for each in chunk.records)
    for before, after in pairwise(chunks):
        assert after.first_seq == before.first_seq + len(before.records)


def digest(*records: ReadRecord, options: Options = OPTIONS) -> str:
    found = Digest(options)
    for each in records:
        found.add(each)
    return found.hex()


def test_uploads_are_the_same_when_lines_and_options_are() -> None:
    assert digest(record(1), record(2, text="b")) == digest(record(3), record(7, text="b"))  # blank lines do not count
    assert digest(record(1, file="x")) == digest(record(1, file="y"))
    different = [
        digest(record(1), record(2, text="b")),
        digest(record(2, text="b"), record(1)),
        digest(record(1)),
        digest(record(1), record(2)),
        digest(record(1), record(2, text="b", question=SNAKE)),
        digest(record(1), record(2, text="b"), options=Options(Defaults(SNAKE), None)),
        digest(record(1), record(2, text="b"), options=Options(Defaults(PYTHON), "label")),
        digest(record(1, text="a,b"), record(2, text="")),
    ]
    assert len(set(different)) == len(different)

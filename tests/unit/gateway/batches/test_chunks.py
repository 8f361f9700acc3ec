"""Records on their way to the recorder: chunks of them, and what two uploads have in common."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.batches.chunks import MOST_BYTES, MOST_RECORDS, Chunk, Digest, Packer
from services.gateway.json_bodies import parse_object
from services.gateway.uploads.json_batch import read_items
from services.gateway.uploads.options import Options
from services.gateway.uploads.options import of_json as options_of_json
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


def bad(line: int, text: str) -> ReadRecord:
    return ReadRecord(line, text, None, None, None, None, "No address.")


def asked(number: int, line: int = 1, *, label: str | None = None, question: Question | None = None) -> ReadRecord:
    return ReadRecord(line, "a", f"http://a/{number}", "a", question, label, None)


def test_uploads_are_the_same_when_what_they_ask_for_is() -> None:
    assert digest(asked(1), bad(2, "b")) == digest(asked(1, 3), bad(7, "b"))  # blank lines do not count
    assert digest(record(1, file="x")) == digest(record(1, file="y"))
    assert digest(record(1, text="a")) == digest(record(1, text="http://A/"))
    assert digest(asked(1)) == digest(asked(1, question=PYTHON))
    different = [
        digest(asked(1), asked(2)),
        digest(asked(2), asked(1)),
        digest(asked(1)),
        digest(asked(1), asked(1)),
        digest(asked(1), asked(2, label="x")),
        digest(asked(1), asked(2, question=SNAKE)),
        digest(asked(1), asked(2), options=Options(Defaults(SNAKE), None)),
        digest(asked(1), asked(2), options=Options(Defaults(PYTHON), "label")),
        digest(asked(1), bad(2, "b")),
        digest(asked(1), bad(2, "c")),
        digest(bad(1, "a,b"), bad(2, "")),
        digest(bad(1, "a"), bad(2, "b")),
    ]
    assert len(set(different)) == len(different)


def of_json(body: bytes) -> str:
    options, items = options_of_json(parse_object(body))
    return digest(*read_items(items, options.defaults), options=options)


def test_json_that_means_the_same_is_the_same_however_it_is_written() -> None:
    first = of_json(b'{"items": [{"url": "a.example", "words": ["python"]}, {"url": "b.example"}, {"url": 1, "x": 2}]}')
    assert first == of_json(
        b'{"label": "", "items":[{"words":["python"],"url":"http://A.example:80/#x","scope":"text"},'
        b'{"url":"b.example","label":null,"whole_word":true},{"url":1, "x": 2}], "words": ["python"]}'
    )
    assert first != of_json(b'{"items": [{"url": "a.example", "words": ["java"]}, {"url": "b.example"}, {"url": 1}]}')

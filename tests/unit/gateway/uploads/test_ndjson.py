import msgspec
import pytest

from services.gateway.problems import Problem
from services.gateway.requests import check_request
from services.gateway.uploads.json_batch import read_items
from services.gateway.uploads.records import Defaults, ReadRecord
from shared.messages import Question
from tests.unit.gateway.uploads.reading import DEFAULTS, read, urls_of

RARE = Defaults(Question(words=("x", "y"), scope="source", whole_word=False, case_sensitive=True))


def lone(line: bytes, defaults: Defaults = DEFAULTS) -> ReadRecord:
    (record,) = read("ndjson", line, defaults=defaults)
    return record


def test_a_line_is_a_check() -> None:
    body = b'{"url":"a.example:81/x#y","label":"z"}\n\n \t\r\n {"words":["a","b","a"],"url":"https://b.example"} '
    first, second = read("ndjson", body)
    assert first == ReadRecord(
        1, '{"url":"a.example:81/x#y","label":"z"}', "http://a.example:81/x", "a.example:81", None, "z", None
    )
    assert (second.line, second.url, second.label) == (4, "https://b.example/", None)
    assert second.question == Question(words=("a", "b"))


@pytest.mark.parametrize(
    ("own", "question"),
    [
        ("", None),
        (',"label":""', None),
        (',"words":["z"]', Question(words=("z",), scope="source", whole_word=False, case_sensitive=True)),
        (',"scope":"text"', Question(words=("x", "y"), whole_word=False, case_sensitive=True)),
        (',"whole_word":true', Question(words=("x", "y"), scope="source", case_sensitive=True)),
        (',"case_sensitive":false', Question(words=("x", "y"), scope="source", whole_word=False)),
    ],
)
def test_what_a_line_says_goes_over_what_is_asked_of_all(own: str, question: Question | None) -> None:
    record = lone(f'{{"url":"a.example"{own}}}'.encode(), RARE)
    assert (record.question, record.reason, record.label) == (question, None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{}", "url: Required, and missing."),
        ('{"url":null}', "url: Must be a string."),
        ('{"url":""}', "The address is empty."),
        ('{"url":"ftp://a.example"}', "The address begins with ftp:, and only http: and https: can be fetched."),
        ('{"url":"a.example","words":"x"}', "words: Must be an array of strings."),
        ('{"url":"a.example","words":["x",""]}', "Word 2: Is empty."),
        ('{"url":"a.example","words":null,"scope":1}', "scope: Must be one of text, source. words: Must be an array"),
        ('{"url":"a.example","whole_word":1}', "whole_word: Must be true or false."),
        ('{"url":"a.example","case_sensitive":"true"}', "case_sensitive: Must be true or false."),
        ('{"url":"a.example","run_at":"2030-01-01T00:00:00Z"}', "run_at: Unknown field; known are: url, words, scope"),
        ('{"url":"a.example","a/b~":1}', "a/b~: Unknown field"),
        ('{"url":"a.example","url":"b.example"}', "url: Is given more than once."),
        ('{"url":"a.example","x":{"y":1,"y":2}}', "An object in it has the name 'y' more than once."),
        ("[]", "The line must be a JSON object."),
        ('"http://a.example/"', "The line must be a JSON object."),
        ("http://a.example/", "The line is not JSON: "),
        ('{"url":"a.example"},', "The line is not JSON: "),
        ("{'url':'a.example'}", "The line is not JSON: "),
        ('{"url":"a.example"', "The line is not JSON: "),
        ("[" * 10_000, "The line is nested too deeply."),
        ('{"url":' + "[" * 900 + "]" * 900 + "}", ""),
        ('{"url":1e999}', "A number in the line is out of range."),
        ('{"url":"a.example","words":[' + "9" * 400 + "]}", ""),
        ('{"url":"a.example","\\u0000":1}', "\ufffd: Unknown field"),
        ('{"a":1,"b":2,"c":3,"d":4,"e":5}', "url: Required, and missing. a: Unknown field"),
    ],
)
def test_what_is_wrong_with_a_line(line: str, reason: str) -> None:
    record = lone(line.encode())
    assert record.reason
    assert record.reason.startswith(reason)
    assert len(record.reason) < 1_000
    assert (record.url, record.host, record.question, record.label) == (None, None, None, None)
    assert record.text == line


def test_many_errors_are_counted() -> None:
    record = lone(b'{"a":1,"b":2,"c":3,"d":4,"e":5}')
    assert str(record.reason).endswith(" And 3 more.")
    long = lone(b'{"%s":1,"url":"a.example"}' % (b"x" * 5_000))
    assert len(str(long.reason)) < 300


def test_what_is_known_to_be_right_is_not_taken_for_what_is_like_it() -> None:
    lines = ["true", "1", "true", "1.0", "false", "0", "true"]
    found = read("ndjson", "\n".join(f'{{"url":"a.example","whole_word":{value}}}' for value in lines).encode())
    assert [record.reason is None for record in found] == [True, False, True, False, True, False, True]


def test_more_different_questions_than_are_remembered() -> None:
    lines = [f'{{"url":"a.example","words":["w{number % 1_500}"]}}' for number in range(4_000)]
    found = read("ndjson", "\n".join(lines).encode())
    assert [record.question for record in found] == [Question(words=(f"w{number % 1_500}",)) for number in range(4_000)]


def test_words_that_are_nothing_in_another_scope() -> None:
    blank = Defaults(Question(words=(" ",), scope="source"))
    assert lone(b'{"url":"a.example","scope":"source"}', blank).reason is None
    record = lone(b'{"url":"a.example","scope":"text"}', blank)
    assert str(record.reason).startswith("scope: Needs `words` of its own")
    assert lone(b'{"url":"a.example","scope":"text","words":["x"]}', blank).reason is None


@pytest.mark.parametrize(
    "values",
    [
        {"url": "a.example"},
        {"url": "http://a.example/?q=%20 x", "words": ["a", "a"], "label": "", "scope": "source"},
        {"url": "a.example", "words": []},
        {"url": "a.example", "words": ["x" * 201], "label": "y" * 201},
        {"url": "http://user@a.example"},
        {"url": "a.example", "whole_word": "no", "nothing": None},
        {},
    ],
)
def test_a_line_is_judged_as_a_check_alone_is(values: dict[str, object]) -> None:
    record = lone(msgspec.json.encode(values))
    if record.url is not None:
        alone = check_request(values)
        assert (record.url, record.host, record.label) == (alone.url, alone.host, alone.label)
        assert (record.question or DEFAULTS.question) == alone.question
        return
    with pytest.raises(Problem) as caught:
        check_request(values)
    assert caught.value.errors[0].message.split(";")[0] in str(record.reason)


def test_text_is_an_address_a_line() -> None:
    body = b'a.example \r\n\r\n# no comment\n  http://b.example/x,y;z|"q"\nhttp://c.example/\tx\n\t\n\0\n'
    found = read("text", body)
    assert urls_of(found) == [
        (1, "http://a.example/"),
        (3, None),
        (4, "http://b.example/x,y;z|%22q%22"),
        (5, None),
        (7, None),
    ]
    assert [record.text for record in found][1:] == [
        "# no comment",
        '  http://b.example/x,y;z|"q"',
        "http://c.example/\tx",
        "\ufffd",
    ]
    assert "text/csv" in str(found[3].reason)


def test_items_of_a_json_body() -> None:
    items = [
        {"url": "a.example"},
        {"url": "b.example", "words": ["é"]},
        "http://c.example/",
        None,
        {"url": 7},
        {},
        {"url": "x" * 600_000},
        {"url": "a.example", "label": "\0", "n": 2**63, "f": 1e300},
    ]
    found = list(read_items(items, RARE))
    assert [record.line for record in found] == list(range(1, 9))
    assert [record.text for record in found[:6]] == [
        "a.example",
        '{"url":"b.example","words":["é"]}',
        '"http://c.example/"',
        "null",
        '{"url":7}',
        "{}",
    ]
    assert [record.reason is None for record in found] == [True, True, *[False] * 6]
    assert found[1].question == Question(words=("é",), scope="source", whole_word=False, case_sensitive=True)
    assert len(found[6].text) == 4_097
    assert found[2].reason == "Must be an object with a `url`."


@pytest.mark.parametrize("calls", [0, 100])
def test_however_deeply_it_is_nested(calls: int) -> None:
    def beneath(calls: int, values: list[object], line: bytes) -> list[ReadRecord]:
        if calls:
            return beneath(calls - 1, values, line)
        return [*read_items([values[0]], DEFAULTS), *read("ndjson", line)]

    for depth in range(850, 1_001):
        for opening, inner, closing in (("[", "", "]"), ('{"a":', "1", "}")):
            value = opening * depth + inner + closing * depth
            item = msgspec.json.decode(opening * (depth - 50) + inner + closing * (depth - 50))
            records = beneath(calls, [{"words": item}], f'{{"url":"a.example","words":{value}}}'.encode())
            assert [record.reason is None for record in records] == [False, False]

import pytest

from services.gateway import headers
from services.gateway.problems import Problem


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ([], None),
        ([""], None),
        (["wait=30"], 30),
        (["WAIT = 30"], 30),
        (['wait="30"'], 30),
        (["wait=0"], 0),
        (["wait=60"], 60),
        (["wait=61"], 60),
        (["wait=" + "9" * 5000], 60),
        (["wait=0030"], 30),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["wait=10; x=y, wait=20"], 10),
        (["wait=10", "wait=20"], 10),
        (['foo="a, wait=5, b", wait=7'], 7),
        (["await=5"], None),
        (["wait"], None),
        (["wait="], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=ten"], None),
        (["wait=٣"], None),
        (["wait=soon, wait=5"], None),
        (['foo="unclosed, wait=5'], None),
        ([",,, wait=5 ,"], 5),
    ],
)
def test_prefer_wait(prefer: list[str], expected: int | None) -> None:
    assert headers.wait_s(prefer) == expected


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([], None),
        (["k"], "k"),
        (['"k"'], "k"),
        ([" k "], "k"),
        ([r'"a\"b\\c"'], r'a"b\c'),
        (['"'], '"'),
        (["k" * 255], "k" * 255),
        (['"' + "k" * 255 + '"'], "k" * 255),
        (["two words"], "two words"),
    ],
)
def test_idempotency_key(values: list[str], key: str | None) -> None:
    assert headers.idempotency_key(values) == key


@pytest.mark.parametrize("values", [[""], ['""'], ["  "], ["k" * 256], ["ключ"], ["a\tb"], ["a\x7f"], ["a", "a"]])
def test_no_idempotency_key(values: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        headers.idempotency_key(values)
    assert (caught.value.code, caught.value.kind.status) == ("invalid_idempotency_key", 400)


@pytest.mark.parametrize(
    ("values", "trace"),
    [
        ([], None),
        (["abc-123"], "abc-123"),
        (["x" * 64], "x" * 64),
        (["x" * 65], None),
        ([""], None),
        (["a b"], None),
        (["a\nb"], None),
        (["é"], None),
        (["a", "b"], None),
    ],
)
def test_trace(values: list[str], trace: str | None) -> None:
    assert headers.trace(values) == trace


@pytest.mark.parametrize(
    ("content_type", "charset", "expected"),
    [
        ("application/json", None, True),
        ("application/json", "UTF-8", True),
        ("application/json", "utf-16", False),
        ("text/json", None, False),
        ("application/octet-stream", None, False),
    ],
)
def test_is_json(content_type: str, charset: str | None, expected: bool) -> None:
    assert headers.is_json(content_type, charset) is expected

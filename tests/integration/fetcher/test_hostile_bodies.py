"""Whatever a body is, it ends with a count or with a code that has a meaning, and the fetcher goes on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import prometheus_client
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.fetcher.counting import Question, count_page
from services.fetcher.counting.kinds import UnsupportedType
from services.fetcher.reading.limits import Limits
from services.fetcher.reading.metrics import Metrics
from services.fetcher.reading.pool import Pool
from services.fetcher.reading.reader import Reader
from services.fetcher.reading.threads import CountingThreads
from shared.clock import monotonic_s
from shared.errors import FetchError
from tests.factories import claimed
from tests.integration.fetcher.hostile_bodies import CHARSETS, MIB, REPEATED, SINGLE, body_of

WORDS = ("python", "open source", "c++")
CODES = {"too_complex", "deadline_exceeded"}
"""What a body of text may end with. The second: not enough of the processor was to be had while others wanted it."""
SMALL, MIDDLE, LARGE = 30_000, 90_000, 10 * MIB


@contextmanager
def threads() -> Iterator[CountingThreads]:
    counting = CountingThreads(2, count_page, stuck_ticks=1_000)
    yield counting
    counting.close()


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    metrics = Metrics(prometheus_client.CollectorRegistry())
    limits = Limits(cpu_s=3, wall_s=40.0)
    pool = Pool("services.fetcher.counting.page:count_page", limits=limits, metrics=metrics, clock=monotonic_s)
    with threads() as counting:
        yield Reader(count_page, threads=counting, pool=pool, metrics=metrics)
        await pool.close()


async def outcome_of(reader: Reader, body: bytes, charset: str) -> str:
    question = Question(words=WORDS)
    page = body, f"text/html; charset={charset}", question
    try:
        counted = await reader.read(claimed(question=question), page, redelivered=False, until_s=monotonic_s() + 60)
    except FetchError as error:
        return error.code
    assert set(counted.counts) == set(WORDS)
    return "counted"


@pytest.mark.parametrize("size", [SMALL, MIDDLE, pytest.param(LARGE, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", [*REPEATED, *SINGLE])
async def test_a_hostile_body_ends_with_a_count_or_a_code(reader: Reader, name: str, size: int) -> None:
    outcome = await outcome_of(reader, body_of(name, size), CHARSETS.get(name, "utf-8"))

    assert outcome in {"counted", *CODES}
    assert await outcome_of(reader, b"<p>python", "utf-8") == "counted"


FRAGMENTS = st.sampled_from([piece if isinstance(piece, bytes) else piece.encode() for piece in REPEATED.values()])
ENCODINGS = "utf-8 utf-16 utf-16be windows-1255 shift_jis euc-jp iso-2022-jp gb18030 big5 euc-kr x-user-defined none"
BODIES = (
    st.binary(max_size=300)
    | st.lists(FRAGMENTS | st.binary(max_size=4) | st.just(b"python "), max_size=40).map(b"".join)
    | st.builds(lambda piece, times, end: piece * times + end, FRAGMENTS, st.integers(1, 300), st.binary(max_size=20))
)


asked = given(
    BODIES,
    st.sampled_from(ENCODINGS.split()).map("text/html; charset={}".format)
    | st.sampled_from(["text/plain", None, "a/b"]),
    st.lists(st.text(min_size=1, max_size=4) | st.sampled_from(WORDS), min_size=1, max_size=4, unique=True),
    st.booleans(),
    st.booleans(),
)


def check(body: bytes, content_type: str | None, words: list[str], whole_word: bool, case_sensitive: bool) -> None:
    question = Question(words=tuple(words), whole_word=whole_word, case_sensitive=case_sensitive)
    try:
        counted = count_page(body, content_type, question)
    except UnsupportedType:
        assert content_type in {None, "a/b"}
        return
    assert counted.total == sum(counted.counts.values())
    assert all(snippets == [] or counted.counts[word] for word, snippets in counted.snippets.items())


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@asked
def test_any_body_is_counted_or_is_no_text(
    body: bytes, content_type: str | None, words: list[str], whole_word: bool, case_sensitive: bool
) -> None:
    check(body, content_type, words, whole_word, case_sensitive)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=30_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@asked
def test_any_of_many_bodies_is_counted_or_is_no_text(
    body: bytes, content_type: str | None, words: list[str], whole_word: bool, case_sensitive: bool
) -> None:
    check(body, content_type, words, whole_word, case_sensitive)

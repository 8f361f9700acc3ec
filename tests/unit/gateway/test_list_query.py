from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.filters import CheckFilter
from services.gateway.inputs import STATUSES
from services.gateway.list_query import list_query, plan_settings

LOW, HIGH = UUID(int=1), UUID(int=9)
SET: dict[str, Any] = {
    "status": "failed",
    "host": "*.example.org",
    "label": "l",
    "word": "w",
    "error": "http_error",
    "http_status": 404,
    "url_prefixes": ("http://a", "https://a"),
    "from_id": LOW,
    "below_id": HIGH,
}


def _sql(wanted: CheckFilter) -> str:
    return list_query(wanted, most=51, before=None)[0]


@given(st.sets(st.sampled_from(sorted(SET))), st.sampled_from([None, UUID(int=5), UUID(int=99)]), st.booleans())
def test_every_argument_has_its_place(names: set[str], before: UUID | None, oldest_first: bool) -> None:
    wanted = CheckFilter(**{name: SET[name] for name in names})
    sql, arguments = list_query(wanted, most=51, before=before, oldest_first=oldest_first)
    assert arguments[0] == 51
    assert all(f"${place}" in sql for place in range(1, len(arguments) + 1))
    assert f"${len(arguments) + 1}" not in sql
    bounds = {id_ for id_ in (wanted.from_id, wanted.below_id, before) if id_ is not None}
    assert bounds >= {argument for argument in arguments if isinstance(argument, UUID)}


@given(st.text(max_size=50), st.text(min_size=1, max_size=50), st.text(max_size=50))
def test_values_are_never_part_of_the_statement(label: str, word: str, prefix: str) -> None:
    plain = CheckFilter(label="l", word="w", url_prefixes=("p",))
    given_filter = CheckFilter(label=label, word=word, url_prefixes=(prefix,))
    assert _sql(given_filter) == _sql(plain)


def test_the_lower_of_two_bounds_counts() -> None:
    for before, bound in ((UUID(int=5), UUID(int=5)), (UUID(int=99), HIGH)):
        _, arguments = list_query(CheckFilter(below_id=HIGH), most=1, before=before)
        assert arguments == [1, bound]


def test_characters_of_patterns_stand_for_themselves() -> None:
    _, arguments = list_query(CheckFilter(url_prefixes=("http://a/50%_\\",)), most=1, before=None)
    assert arguments[1:3] == ["http://a/50%_\\", "http://a/50\\%\\_\\\\%"]
    _, arguments = list_query(CheckFilter(host="*.a_b.org"), most=1, before=None)
    assert arguments == [1, "gro.b\\_a.%"]


def test_what_changes_in_a_check_is_looked_for_where_it_is_indexed() -> None:
    for status in STATUSES:
        tables = {"queued": "queue", "running": "leases", "cancelled": "cancelled"}.get(status, "results")
        assert f"{tables} " in _sql(CheckFilter(status=status)).replace(")", " ")


def test_an_address_that_goes_beyond_its_host_is_looked_for_among_that_hosts() -> None:
    for prefixes, host in (
        (("http://a:8080/b",), "a:8080"),
        (("http://a/", "https://a/"), "a"),
        (("http://a",), None),
        (("http://a/", "https://a.b"), None),
    ):
        _, arguments = list_query(CheckFilter(url_prefixes=prefixes), most=1, before=None)
        assert arguments[1 + 2 * len(prefixes) :] == ([] if host is None else [host])


def test_only_what_an_index_has_in_order_is_planned_without_sorting() -> None:
    for wanted, unsorted in (
        (CheckFilter(), None),
        (CheckFilter(http_status=200), True),
        (CheckFilter(http_status=200, status="failed"), True),
        (CheckFilter(error="poison"), True),
        (CheckFilter(http_status=200, host="a"), False),
        (CheckFilter(error="poison", word="a"), False),
        (CheckFilter(host="a", status="running"), False),
        (CheckFilter(status="queued"), False),
    ):
        settings = plan_settings(wanted)
        assert (("enable_sort" in settings) if settings else None) is unsorted, wanted


def test_hosts_are_told_by_the_beginning_of_an_address_only_where_there_may_be_several() -> None:
    for prefixes, several in (
        (("http://a",), True),
        (("http://a/", "https://a.b"), True),
        (("http://a/", "https://a/"), False),
        ((f"http://{'a' * 199}",), False),  # beyond what the index has
    ):
        sql, _ = list_query(CheckFilter(url_prefixes=prefixes), most=1, before=None)
        assert ("AS beginning" in sql) == several, prefixes

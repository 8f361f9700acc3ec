"""The list of checks as SQL, put together of constant pieces by which filters are set; values are only ever parameters.

First the ids of the page are found, then their rows are read. States are not indexed in `checks`, where they change:
each is looked for in the table that knows it. Most filters have an index in the order of the list, so that a page is
its first entries. A word and the beginning or ending of a text have none: with those, the newest checks are looked
through, as what is common is soon found there. If that does not fill the page, the lists of the hosts or questions that
are meant are merged, where these are few. Of many, what matches is taken from the index, and sorted if it is little; of
what turns out to be much, a page is soon found in the order of the list. Left to itself the planner would walk through
the whole list for what it took to be common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.gateway import list_sql, queries
from services.gateway.filters import SUFFIX, CheckFilter
from services.gateway.list_sql import Lists, Source
from shared import ids, urls


@dataclass(slots=True)
class Arguments:
    """The parameters of a statement, by the order of their places."""

    values: list[Any] = field(default_factory=list)

    def place(self, value: Any) -> str:
        """Where the value stands in the statement."""
        self.values.append(value)
        return f"${len(self.values)}"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is asked of checks, as SQL.

    Attributes:
        exact: of columns that have an index in the order of the list: the column, and what is in it.
        unordered: of columns that have another one.
        urls: of the URL; one of them has to hold, and of no check two do.
        lists: the lists that the unordered conditions mean, with what is asked for.
        above, below: of the id, which `{key}` stands for; or "".
        way: of the order.
    """

    exact: Sequence[tuple[str, str]]
    unordered: Sequence[str]
    urls: Sequence[str]
    lists: tuple[Lists, str] | None
    above: str
    below: str
    way: str


def list_query(
    wanted: CheckFilter, *, most: int, before: UUID | None, oldest_first: bool = False
) -> tuple[str, list[Any]]:
    """The statement for the newest checks that the filter lets through, or the oldest ones, and its arguments.

    Args:
        wanted: the filter.
        most: how many.
        before: only those after this id in the order of the list.
        oldest_first: that order.
    """
    arguments = Arguments([most])
    conditions = _conditions(wanted, before, arguments, oldest_first=oldest_first)
    helpers, branches = [], []
    for number, source in enumerate(_sources(wanted)):
        helper, branch = _part(number, source, conditions)
        helpers.append(helper)
        branches.append(branch)
    found = list_sql.UNION.join(branches)
    sql = list_sql.PAGE.format("".join(helpers), found, queries.ROWS, queries.BELONGING, way=conditions.way)
    return sql, arguments.values


def plan_settings(wanted: CheckFilter) -> str:
    """What the planner has to be told for such a list, in the transaction that it is read in; "" for nothing."""
    if wanted.is_empty:
        return ""
    by_result = (wanted.error is None) != (wanted.http_status is None)
    others = (wanted.host, wanted.label, wanted.word, wanted.url_prefixes or None)
    in_order = by_result and all(other is None for other in others)
    return queries.PLAN_A_PAGE + (queries.UNSORTED if in_order else "")


def _part(number: int, source: Source, asked: Conditions) -> tuple[str, str]:
    """What finds the ids of one source: what goes before, and what gives them."""
    keys = dict.fromkeys((source.key, "c.id"))  # each index that may be walked through has the bounds
    limits = [bound.format(key=key) for key in keys for bound in (asked.above, asked.below)]
    exact, order = _narrowed(source, asked.exact, asked.way)
    pieces: dict[str, Any] = {
        "number": number,
        "tables": source.tables,
        "looked_through": source.looked_through,
        "order": order,
        "way": asked.way,
        "ordered": _all([source.condition, *exact, *limits]),
        "filtered": _all([source.condition, *exact, *(limits if asked.above else ())]),
        "unordered": _all([*asked.unordered, _any(asked.urls)]),
        "below": _all([asked.below.format(key="id")]),
        "are_few": "false",
        "merged": "",
    }
    if not asked.unordered and not asked.urls:
        return "", list_sql.IN_ORDER.format(**pieces)
    pieces["wanting"] = list_sql.WANTING.format(**pieces)
    each = [list_sql.EVERY.format(**pieces, either=_all([*asked.unordered, url])) for url in asked.urls or [""]]
    pieces["every"] = " UNION ALL ".join(each)
    before = list_sql.NEWEST.format(**pieces)
    if asked.lists is not None:
        lists, value = asked.lists
        pieces["are_few"] = list_sql.ARE_FEW.format(**pieces)
        pieces["merged"] = list_sql.MERGED.format(**pieces, column=lists.column)
        before += list_sql.KEYS.format(**pieces, keys=lists.keys.format(value, value, number=number))
    return before + list_sql.SOME.format(**pieces), list_sql.NEWEST_OR_MORE.format(**pieces)


def _narrowed(source: Source, exact: Sequence[tuple[str, str]], way: str) -> tuple[list[str], str]:
    """Conditions, and the order that has an index where one of its own columns is all that narrows a source down."""
    table = source.key.partition(".")[0]
    if len(exact) == 1 and exact[0][0].startswith(f"{table}."):
        column, value = exact[0]
        return [list_sql.AMONG.format(column, value)], list_sql.AMONG_BY_KEY.format(column, source.key, way=way)
    return [list_sql.EQUAL.format(*each) for each in exact], list_sql.BY_KEY.format(source.key, way=way)


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(condition for condition in conditions if condition) or "true"


def _any(conditions: Sequence[str]) -> str:
    return f"({' OR '.join(conditions)})" if conditions else ""


def _sources(wanted: CheckFilter) -> tuple[Source, ...]:
    if _is_impossible(wanted):
        return (list_sql.NOTHING,)
    if wanted.error is not None:
        return (list_sql.WITH_THAT_ERROR,)
    if wanted.status is not None:
        return list_sql.BY_STATUS[wanted.status]
    if wanted.http_status is not None:
        return tuple(source for status in list_sql.WITH_RESULT for source in list_sql.BY_STATUS[status])
    return (list_sql.CHECKS,)


def _conditions(wanted: CheckFilter, before: UUID | None, arguments: Arguments, *, oldest_first: bool) -> Conditions:
    unordered: list[str] = []
    lists: tuple[Lists, str] | None = None
    if wanted.word is not None:
        word = arguments.place(wanted.word)
        unordered.append(list_sql.WORD.format(word))
        lists = (list_sql.OF_QUESTIONS, word)
    if wanted.host is not None and wanted.host.startswith(SUFFIX):
        ending = arguments.place(_begins_with(wanted.host.removeprefix(SUFFIX[:1])[::-1]))
        unordered.append(list_sql.HOST_SUFFIX.format(ending))
        lists = (list_sql.OF_HOSTS, ending)
    beginnings = [arguments.place(prefix) for prefix in wanted.url_prefixes]
    either = [
        list_sql.URL.format(arguments.place(_begins_with(prefix[: list_sql.INDEXED_URL_CHARS])), place)
        for prefix, place in zip(wanted.url_prefixes, beginnings, strict=True)
    ]
    only_host = _only_host(wanted.url_prefixes)
    are_indexed = all(len(prefix) < list_sql.INDEXED_URL_CHARS for prefix in wanted.url_prefixes)
    if lists is None and beginnings and only_host is None and are_indexed:
        lists = (list_sql.OF_ORIGINS, f"ARRAY[{', '.join(beginnings)}]::text[]")
    above, below = _bounds(wanted, before, arguments, oldest_first=oldest_first)
    way = "ASC" if oldest_first else "DESC"
    return Conditions(_exact(wanted, only_host, arguments), unordered, either, lists, above, below, way)


def _bounds(wanted: CheckFilter, before: UUID | None, arguments: Arguments, *, oldest_first: bool) -> tuple[str, str]:
    """What ids have to be above and below; of the list from the oldest on, those above `before` are meant."""
    after, before = (before, None) if oldest_first else (None, before)
    first, last = (
        (None, None) if wanted.batch_id is None else (wanted.batch_id, ids.check_of(wanted.batch_id, ids.MAX_SEQ))
    )
    lowest = max((id_ for id_ in (wanted.from_id, first) if id_ is not None), default=None)
    if after is not None and (lowest is None or after >= lowest):
        above = list_sql.AFTER.format("{key}", arguments.place(after))
    else:
        above = "" if lowest is None else list_sql.FROM.format("{key}", arguments.place(lowest))
    highest = min((id_ for id_ in (wanted.below_id, before, last) if id_ is not None), default=None)
    below = "" if highest is None else list_sql.BELOW.format("{key}", arguments.place(highest))
    return above, below


def _exact(wanted: CheckFilter, only_host: str | None, arguments: Arguments) -> list[tuple[str, str]]:
    host = None if wanted.host is None or wanted.host.startswith(SUFFIX) else wanted.host
    values = (
        ("c.host", "text", host),
        ("c.host", "text", only_host),
        ("c.label", "text", wanted.label),
        ("r.error_code", "text", wanted.error),
        ("r.http_status", "integer", wanted.http_status),
    )
    return [(column, f"{arguments.place(value)}::{type_}") for column, type_, value in values if value is not None]


def _only_host(prefixes: Sequence[str]) -> str | None:
    """The host key that all URLs have that begin with one of these, if each goes beyond its host."""
    origins = ["/".join(prefix.split("/", 3)[:3]) for prefix in prefixes if prefix.count("/") > 2]
    hosts = {urls.normalize(origin).host_key for origin in origins}
    return hosts.pop() if len(origins) == len(prefixes) and len(hosts) == 1 else None


def _is_impossible(wanted: CheckFilter) -> bool:
    """Whether nothing can be both."""
    if wanted.batch_id is not None and wanted.batch_id != ids.batch_id(wanted.batch_id):
        return True  # no batch has such an id
    if wanted.error is not None and wanted.status not in {None, "failed"}:
        return True
    return wanted.http_status is not None and wanted.status is not None and wanted.status not in list_sql.WITH_RESULT


def _begins_with(prefix: str) -> str:
    """A pattern of LIKE."""
    return prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"

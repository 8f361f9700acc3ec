"""The list of checks as SQL, put together of constant pieces by which filters are set; values are only ever parameters.

First the ids of the page are found, then their rows are read. States are not indexed in `checks`, where they change:
each is looked for in the table that knows it. Most filters have an index in the order of the list, so that a page is
its first entries. A word and the beginning or ending of a text have none: with those, the newest checks are looked
through, as what is common is soon found there; only if that does not fill the page, all that match are taken from the
index and sorted. Left to itself the planner would look through them all for what was common once, and is not any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from services.gateway import queries
from services.gateway.filters import SUFFIX, CheckFilter
from shared import ids
from shared.messages import Status

INDEXED_URL_CHARS: Final = 200
"""Of a URL, what the index `checks_by_url` holds."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where ids of checks come from.

    Attributes:
        tables: the FROM clause; `c` is always the check.
        key: the id in the table that it starts from.
        condition: what makes a row one of this source, or "".
    """

    tables: str
    key: str
    condition: str = ""


_CHECKS: Final = Source("checks c", "c.id")
_RESULTS: Final = "results r JOIN checks c ON c.id = r.check_id"
# What a state means in the tables around `checks`; of what they hold besides, such as the result of a run before the
# present one, the check's own row tells.
_BY_STATUS: Final[Mapping[Status, tuple[Source, ...]]] = {
    "queued": (
        Source("queue q JOIN checks c ON c.id = q.check_id", "q.check_id", "c.status = 'queued'"),
        # Claimed, and not begun. A check can have several leases, of attempts that nobody has heard of since.
        Source("checks c", "c.id", "c.status = 'queued' AND c.id IN (SELECT check_id FROM leases)"),
    ),
    "running": (Source("checks c", "c.id", "c.status = 'running' AND c.id IN (SELECT check_id FROM leases)"),),
    "done": (Source(_RESULTS, "r.check_id", "r.error_code IS NULL AND c.status = 'done'"),),
    "failed": (Source(_RESULTS, "r.check_id", "r.error_code IS NOT NULL AND c.status = 'failed'"),),
    "cancelled": (Source("cancelled x JOIN checks c ON c.id = x.check_id", "x.check_id", "c.status = 'cancelled'"),),
}
_WITH_RESULT: Final[tuple[Status, ...]] = ("done", "failed")

HOST: Final = "c.host = {}"
HOST_SUFFIX: Final = "reverse(c.host) LIKE {}"
LABEL: Final = "c.label = {}"
WORD: Final = "c.question = ANY (ARRAY(SELECT id FROM questions WHERE words @> ARRAY[{}::text]))"
ERROR: Final = "r.error_code = {}"
HTTP_STATUS: Final = "r.http_status = {}"
URL: Final = f"left(c.url, {INDEXED_URL_CHARS}) LIKE {{}} AND starts_with(c.url, {{}})"
FROM: Final = "{} >= {}"
BELOW: Final = "{} < {}"
NOTHING: Final = "false"

LOOKED_THROUGH: Final = 4_000
"""How many of the newest checks are looked through: as long as an index takes for a few hundred."""

_IN_ORDER: Final = "(SELECT c.id FROM {tables} WHERE {ordered} ORDER BY {key} DESC LIMIT $1)"
_NEWEST: Final = """
seen{number} AS MATERIALIZED (
    SELECT c.id, c.host, c.url, c.question FROM {tables} WHERE {ordered} ORDER BY {key} DESC LIMIT {looked_through}),
newest{number} AS MATERIALIZED (SELECT c.id FROM seen{number} c WHERE {unordered} ORDER BY c.id DESC LIMIT $1),
"""
# OFFSET 0 keeps the planner from thinking of the LIMIT, and an upper bound that stands alone outside of it from walking
# through all ids below that.
_NEWEST_OR_ALL: Final = """
(SELECT id FROM newest{number} UNION
 SELECT id FROM (SELECT c.id FROM {tables} WHERE {filtered} AND {unordered} OFFSET 0) every{number}
 WHERE {below} AND (SELECT count(*) FROM newest{number}) < $1
     AND (SELECT count(*) FROM seen{number}) = {looked_through}
 ORDER BY id DESC LIMIT $1)
"""
_UNION: Final = " UNION "
_PAGE: Final = """
WITH {} page AS MATERIALIZED (SELECT id FROM ({}) found ORDER BY id DESC LIMIT $1)
{} FROM page JOIN checks c ON c.id = page.id {} ORDER BY c.id DESC
"""


@dataclass(slots=True)
class Arguments:
    """The parameters of a statement, by the order of their places."""

    values: list[Any] = field(default_factory=list)

    def place(self, value: Any) -> str:
        """Where the value stands in the statement."""
        self.values.append(value)
        return f"${len(self.values)}"


def list_query(wanted: CheckFilter, *, most: int, before: UUID | None) -> tuple[str, list[Any]]:
    """The statement for the newest checks that the filter lets through, and its arguments.

    Args:
        wanted: the filter.
        most: how many.
        before: only those whose id is lower.
    """
    arguments = Arguments([most])
    ordered, unordered = _ordered(wanted, arguments), _unordered(wanted, arguments)
    first, last = (
        (None, None) if wanted.batch_id is None else (wanted.batch_id, ids.check_of(wanted.batch_id, ids.MAX_SEQ))
    )
    lowest = max((id_ for id_ in (wanted.from_id, first) if id_ is not None), default=None)
    above = "" if lowest is None else FROM.format("{key}", arguments.place(lowest))
    highest = min((id_ for id_ in (wanted.below_id, before, last) if id_ is not None), default=None)
    below = "" if highest is None else BELOW.format("{key}", arguments.place(highest))
    helpers, branches = [], []
    for number, source in enumerate(_sources(wanted)):
        keys = dict.fromkeys((source.key, "c.id"))  # each index that may be walked through has the bounds
        limits = [bound.format(key=key) for key in keys for bound in (above, below)]
        pieces = {
            "number": number,
            "looked_through": LOOKED_THROUGH,
            "tables": source.tables,
            "key": source.key,
            "ordered": _all([source.condition, *ordered, *limits]),
            "filtered": _all([source.condition, *ordered, *(limits if above else ())]),
            "unordered": _all(unordered),
            "below": _all([below.format(key="id")]),
        }
        if unordered:
            helpers.append(_NEWEST.format(**pieces))
        branches.append((_NEWEST_OR_ALL if unordered else _IN_ORDER).format(**pieces))
    sql = _PAGE.format("".join(helpers), _UNION.join(branches), queries.ROWS, queries.BELONGING)
    return sql, arguments.values


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(condition for condition in conditions if condition) or "true"


def _sources(wanted: CheckFilter) -> tuple[Source, ...]:
    if wanted.status is not None:
        return _BY_STATUS[wanted.status]
    if wanted.error is not None:
        return _BY_STATUS["failed"]
    if wanted.http_status is not None:
        return tuple(source for status in _WITH_RESULT for source in _BY_STATUS[status])
    return (_CHECKS,)


def _ordered(wanted: CheckFilter, arguments: Arguments) -> list[str]:
    """What is asked of columns that have an index in the order of the list."""
    if _is_impossible(wanted):
        return [NOTHING]
    exact_host = None if wanted.host is None or wanted.host.startswith(SUFFIX) else wanted.host
    values = ((HOST, exact_host), (LABEL, wanted.label), (ERROR, wanted.error), (HTTP_STATUS, wanted.http_status))
    return [shape.format(arguments.place(value)) for shape, value in values if value is not None]


def _unordered(wanted: CheckFilter, arguments: Arguments) -> list[str]:
    """What is asked of columns that have another one."""
    found = []
    if wanted.host is not None and wanted.host.startswith(SUFFIX):
        ending = wanted.host.removeprefix(SUFFIX[:1])
        found.append(HOST_SUFFIX.format(arguments.place(_begins_with(ending[::-1]))))
    if wanted.word is not None:
        found.append(WORD.format(arguments.place(wanted.word)))
    if wanted.url_prefixes:
        either = [
            URL.format(arguments.place(_begins_with(prefix[:INDEXED_URL_CHARS])), arguments.place(prefix))
            for prefix in wanted.url_prefixes
        ]
        found.append(f"({' OR '.join(either)})")
    return found


def _is_impossible(wanted: CheckFilter) -> bool:
    """Whether nothing can be both."""
    if wanted.batch_id is not None and wanted.batch_id != ids.batch_id(wanted.batch_id):
        return True  # no batch has such an id
    if wanted.error is not None and wanted.status not in {None, "failed"}:
        return True
    return wanted.http_status is not None and wanted.status is not None and wanted.status not in _WITH_RESULT


def _begins_with(prefix: str) -> str:
    """A pattern of LIKE."""
    return prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"

# ruff: noqa: S608 - put together of constants
"""The pieces of SQL that `list_query` puts the list of checks together of.

`{number}` tells the sources apart that a list may have; the other fields are those of `list_query`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.messages import Status

INDEXED_URL_CHARS: Final = 200
"""Of a URL, what the index `checks_by_url` holds."""
LOOKED_THROUGH: Final = 2_000
"""How many of the newest checks are looked through: as long as an index takes for a few hundred."""
JOINED_LOOKED_THROUGH: Final = 400
"""The same where each has to be looked up first."""
_INDEXED_URL: Final = f"left(c.url, {INDEXED_URL_CHARS})"
FEW: Final = 100
"""How many lists are merged at most."""
LITTLE: Final = 20_000
"""How many are sorted. Of ten million that match as often as that, every 500th does: 50,000 have a page of 100."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where ids of checks come from.

    Attributes:
        tables: the FROM clause; `c` is always the check.
        key: the id in the table that it starts from.
        condition: what makes a row one of this source, or "".
        looked_through: how many of the newest are, for what has no index in the order of the list.
    """

    tables: str
    key: str
    condition: str = ""
    looked_through: int = JOINED_LOOKED_THROUGH


CHECKS: Final = Source("checks c", "c.id", looked_through=LOOKED_THROUGH)
_RESULTS: Final = "results r JOIN checks c ON c.id = r.check_id"
# To say that there is an error, too, would make the planner think these a tenth of what they are.
WITH_THAT_ERROR: Final = Source(_RESULTS, "r.check_id", "c.status = 'failed'")
NOTHING: Final = Source(_RESULTS, "r.check_id", "false")
# What a state means in the tables around `checks`; of what they hold besides, such as the result of a run before the
# present one, the check's own row tells.
BY_STATUS: Final[Mapping[Status, tuple[Source, ...]]] = {
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
WITH_RESULT: Final[tuple[Status, ...]] = ("done", "failed")

EQUAL: Final = "{} = {}"
BY_KEY: Final = "{} {way}"
# With many rows of one host, and none of them new, the planner would look for them among all checks: it takes what it
# knows nothing of to be spread evenly. An order by two columns, neither of which it knows to be constant, has only the
# index of both.
AMONG: Final = "{} = ANY (ARRAY[{}])"
AMONG_BY_KEY: Final = "{} {way}, {} {way}"
HOST_SUFFIX: Final = "reverse(c.host) LIKE {}"
WORD: Final = "c.question = ANY (ARRAY(SELECT id FROM questions WHERE words @> ARRAY[{}::text]))"
URL: Final = f"{_INDEXED_URL} LIKE {{}} AND starts_with(c.url, {{}})"
FROM: Final = "{} >= {}"
AFTER: Final = "{} > {}"
BELOW: Final = "{} < {}"


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists in order that together have all that matches, one a key.

    Attributes:
        column: where the key stands.
        keys: SQL that gives the keys, one more than `FEW` at most; `{}` stands for what is asked for.
    """

    column: str
    keys: str


# From one host to the next along the index, whatever lies between them.
OF_HOSTS: Final = Lists(
    "c.host",
    f"""
    (SELECT c.host AS key, 1 AS place FROM checks c WHERE {HOST_SUFFIX} ORDER BY reverse(c.host) USING ~<~ LIMIT 1)
    UNION ALL
    SELECT (SELECT c.host FROM checks c WHERE {HOST_SUFFIX} AND reverse(c.host) ~>~ reverse(last.key)
            ORDER BY reverse(c.host) USING ~<~ LIMIT 1), place + 1
    FROM keys{{number}} last WHERE last.key IS NOT NULL AND place <= {FEW}""",
)
# The same along the index of URLs, for each beginning that is meant: from one origin (scheme, host, port) to the next.
# All URLs of one begin with it and a slash, after which comes the 0. Origins too long for the index give one host so
# often that it is not taken for one of few.
OF_ORIGINS: Final = Lists(
    "c.host",
    f"""
    SELECT NULL::text AS key, 0 AS place, beginning AS since, beginning FROM unnest({{}}) AS beginning
    UNION ALL
    SELECT next.host, place + 1, left(substring(next.url FROM '^[a-z]+://[^/]*') || '0', {INDEXED_URL_CHARS}), beginning
    FROM keys{{number}} last CROSS JOIN LATERAL (
        SELECT c.host, c.url FROM checks c WHERE {_INDEXED_URL} ~>=~ last.since
        ORDER BY {_INDEXED_URL} USING ~<~ LIMIT 1) next
    WHERE starts_with(next.url, beginning) AND place <= {FEW}""",
)
OF_QUESTIONS: Final = Lists(
    "c.question", f"SELECT id AS key FROM questions WHERE words @> ARRAY[{{}}::text] LIMIT {FEW} + 1"
)

IN_ORDER: Final = "(SELECT c.id FROM {tables} WHERE {ordered} ORDER BY {order} LIMIT $1)"

NEWEST: Final = """
seen{number} AS MATERIALIZED (
    SELECT c.id, c.host, c.url, c.question FROM {tables} WHERE {ordered} ORDER BY {order}
    LIMIT {looked_through}),
newest{number} AS MATERIALIZED (SELECT c.id FROM seen{number} c WHERE {unordered} ORDER BY c.id {way} LIMIT $1),
"""
# None of the following is looked at as long as the newest fill the page.
WANTING: Final = """
    (SELECT count(*) FROM newest{number}) < $1 AND (SELECT count(*) FROM seen{number}) = {looked_through}"""
KEYS: Final = """
keys{number} AS ({keys}),
few{number} AS MATERIALIZED (SELECT key FROM keys{number} WHERE key IS NOT NULL AND {wanting}),
"""
ARE_FEW: Final = f"(SELECT count(*) FROM few{{number}}) <= {FEW}"
# What is MATERIALIZED is planned as if all of it were wanted, and made as far as it is. An upper bound that stands
# alone is outside of it, as with that the planner would walk through all ids below.
EVERY: Final = "SELECT c.id FROM {tables} WHERE {filtered} AND {either}"
SOME: Final = f"""
every{{number}} AS MATERIALIZED ({{every}}),
some{{number}} AS MATERIALIZED (
    SELECT id FROM every{{number}} WHERE {{wanting}} AND NOT {{are_few}} LIMIT {LITTLE} + 1),
"""

MERGED: Final = """
SELECT listed.id FROM few{number} CROSS JOIN LATERAL (
    SELECT c.id FROM {tables} WHERE {ordered} AND {column} = few{number}.key AND ({unordered}) IS TRUE
    ORDER BY {order} LIMIT $1) listed
WHERE {are_few} UNION
"""
# No index has what IS TRUE is said of, so that the list is walked through in order.
NEWEST_OR_MORE: Final = f"""
(SELECT id FROM newest{{number}} UNION {{merged}}
 SELECT id FROM some{{number}} WHERE {{below}} AND (SELECT count(*) FROM some{{number}}) <= {LITTLE} UNION
 (SELECT c.id FROM {{tables}} WHERE {{ordered}} AND ({{unordered}}) IS TRUE
  AND (SELECT count(*) FROM some{{number}}) > {LITTLE} ORDER BY {{order}} LIMIT $1)
 ORDER BY id {{way}} LIMIT $1)
"""
UNION: Final = " UNION "
PAGE: Final = """
WITH RECURSIVE {} page AS MATERIALIZED (SELECT id FROM ({}) found ORDER BY id {way} LIMIT $1)
{} FROM page JOIN checks c ON c.id = page.id {} ORDER BY c.id {way}
"""

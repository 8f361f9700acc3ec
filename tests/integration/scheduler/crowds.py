"""A database full of work, made in seconds: many hosts with many checks each, nearly all of them with no slot free."""

from dataclasses import dataclass

import asyncpg

from shared import settings
from shared.db import connect

_INDICES = """
SELECT i.indexname, i.indexdef FROM pg_indexes i JOIN pg_class c ON c.relname = i.indexname
JOIN pg_index x ON x.indexrelid = c.oid WHERE i.tablename = 'checks' AND NOT x.indisprimary
"""
# The numbers of a crowd's checks are spread over its hosts, so that neighbours in the table are of different hosts.
_QUESTION = """
INSERT INTO questions (id, same, words, scope, whole_word, case_sensitive)
VALUES (md5('')::uuid, md5('')::uuid, ARRAY['python'], 'text', true, false)
"""
_CHECKS = """
INSERT INTO checks (id, url, host, question, bulk, trace, status)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'http://h' || n % $2 || '.example/' || n, 'h' || n % $2 || '.example',
       md5('')::uuid, n / $2 % 2 = 1, '', 'queued'
FROM generate_series(0, $1 - 1) AS n
"""
_QUEUE = """
INSERT INTO queue (check_id, attempt, host, bulk, due_at)
SELECT id, 1, host, bulk, clock_timestamp() - interval '1 h' FROM checks
"""
_LEASES = """
INSERT INTO leases (check_id, attempt, host, bulk, claimed_at, not_before, not_after)
SELECT gen_random_uuid(), 1, 'h' || host || '.example', false, clock_timestamp(), clock_timestamp(),
       clock_timestamp() + interval '1 h' * (1 + random())
FROM generate_series(0, $1 - 1) AS host, generate_series(1, $2) AS slot
"""
_HOSTS = """
INSERT INTO hosts (host, wake_interactive, wake_bulk)
SELECT 'h' || host || '.example', clock_timestamp() + interval '1 h', clock_timestamp() + interval '1 h'
FROM generate_series(0, $1 - 1) AS host
"""
_FREE = """
WITH freed AS (DELETE FROM leases WHERE host = ANY ($1::text[]))
UPDATE hosts SET wake_interactive = clock_timestamp(), wake_bulk = clock_timestamp(), next_start_at = '-infinity'
WHERE host = ANY ($1::text[])
"""


@dataclass
class Crowd:
    """`checks` queued on `hosts` hosts, each with all its slots taken."""

    admin: asyncpg.Connection
    hosts: int
    checks: int

    @classmethod
    async def gather(cls, url: str, *, hosts: int, checks: int) -> "Crowd":
        """Fills an empty, migrated database."""
        admin = await connect.connect(url)
        indices = await admin.fetch(_INDICES)
        for index in indices:  # built at once they cost a tenth of what row by row would take
            await admin.execute(f"DROP INDEX {index['indexname']}")
        await admin.execute(_QUESTION)
        await admin.execute(_CHECKS, checks, hosts)
        for index in indices:
            await admin.execute(index["indexdef"])
        await admin.execute(_QUEUE)
        await admin.execute(_LEASES, hosts, settings.load({}).host_concurrency)
        await admin.execute(_HOSTS, hosts)
        await admin.execute("VACUUM ANALYZE")
        crowd = cls(admin, hosts, checks)
        await crowd.sign_of_life()
        return crowd

    async def sign_of_life(self) -> None:
        """There are fetchers for more than all of it."""
        await self.admin.execute(
            "INSERT INTO fetchers VALUES ('f', '1', 1000000, 0, 0, 0, clock_timestamp() + interval '1 h') "
            "ON CONFLICT DO NOTHING"
        )

    def names(self, first: int, count: int) -> list[str]:
        """Host keys, `count` of them from `first` on."""
        return [f"h{n % self.hosts}.example" for n in range(first, first + count)]

    async def free(self, hosts: list[str]) -> None:
        """Frees all slots of these hosts."""
        await self.admin.execute(_FREE, hosts)

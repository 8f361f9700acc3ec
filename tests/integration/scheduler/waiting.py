"""Checks that wait in the queue, as many of each lane as a test asks for."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from shared import claims, messages, settings
from tests import factories
from tests.integration.recorder.database import Database

# Nothing but batches makes bulk checks: what this does to them is what one does.
_TO_BULK = """
WITH moved AS (UPDATE checks SET bulk = true WHERE id = ANY ($1::uuid[])), gone AS (
    UPDATE queue SET bulk = true WHERE check_id = ANY ($1::uuid[]) RETURNING host)
UPDATE hosts SET wake_bulk = clock_timestamp(), wake_interactive = NULL WHERE host IN (SELECT host FROM gone)
"""
_WAKE = """
UPDATE hosts SET wake_interactive = clock_timestamp()
WHERE host IN (SELECT host FROM queue WHERE NOT bulk) AND wake_interactive IS NULL
"""


async def enqueue(
    db: Database, of_host: Mapping[str, tuple[int, int]], config: settings.Settings
) -> dict[str, tuple[list[UUID], list[UUID]]]:
    """Queues checks, of each host so many (interactive, bulk), the bulk ones first due.

    No fetcher is there meanwhile, so that none is claimed; who wants claims says that one is (`factories.here`).
    """
    await db.recorder.execute("UPDATE fetchers SET capacity = 0, finished_last_s = 0")
    made: dict[str, tuple[list[UUID], list[UUID]]] = {}
    for lane in ("bulk", "interactive"):
        commands = [
            factories.submit(host=host)
            for host, (interactive, bulk) in of_host.items()
            for _ in range(bulk if lane == "bulk" else interactive)
        ]
        if commands:
            await db.flush(*commands, config=config)
        if lane == "bulk":
            await db.recorder.execute(_TO_BULK, [command.check_id for command in commands])
        for command in commands:
            made.setdefault(command.host, ([], []))[lane == "bulk"].append(command.check_id)
    await db.recorder.execute(_WAKE)
    return made


async def claim_on(connection: asyncpg.Connection, config: settings.Settings) -> list[messages.ClaimedCheck]:
    """A claim on a connection of one's own, which may be inside a transaction."""
    rows = await connection.fetch(claims.CLAIM, *claims.claim_arguments(config, None))
    return [claims.from_row(row) for row in rows]

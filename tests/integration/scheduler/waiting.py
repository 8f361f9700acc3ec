"""Checks that wait in the queue, as many of each lane as a test asks for."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from shared import claims, messages, settings
from shared.ids import check_of
from tests import factories
from tests.integration.recorder.database import Database
from tests.integration.recorder.uploads import records, upload

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
    made: dict[str, tuple[list[UUID], list[UUID]]] = {host: ([], []) for host in of_host}
    lines = records({host: bulk for host, (_, bulk) in of_host.items()})
    if lines:
        batch = await upload(db.recorder, lines, config)
        for seq, record in enumerate(lines, 1):
            made[str(record.host)][1].append(check_of(batch, seq))
    commands = [factories.submit(host=host) for host, (interactive, _) in of_host.items() for _ in range(interactive)]
    if commands:
        await db.flush(*commands, config=config)
    for command in commands:
        made[command.host][0].append(command.check_id)
    await db.recorder.execute(_WAKE)
    return made


async def claim_on(connection: asyncpg.Connection, config: settings.Settings) -> list[messages.ClaimedCheck]:
    """A claim on a connection of one's own, which may be inside a transaction."""
    rows = await connection.fetch(claims.CLAIM, *claims.claim_arguments(config, None))
    return [claims.from_row(row) for row in rows]

"""New checks in one statement, where nothing has to be decided: what a person waits for most often.

Each way to the server and back takes a millisecond, and three where batches are under way. In a transaction a new check
has six of them.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from services.recorder import rows, sql
from shared import claims
from shared.messages import ChangedCheck, ClaimedCheck, SubmitCheck
from shared.settings import Settings

_MOST: Final = 100


def may_be(commands: Sequence[SubmitCheck], config: Settings) -> bool:
    """Whether all of the commands can be applied that way, if their hosts and questions are there.

    Keys are decided about, and times to begin at; and no row of a host guards checks of one that is trusted.
    """
    trusted = set(claims.trusted(config))
    return 0 < len(commands) <= _MOST and not any(
        command.idempotency is not None or command.run_at is not None or command.host in trusted for command in commands
    )


async def submit(
    connection: asyncpg.Connection, commands: Sequence[SubmitCheck], config: Settings
) -> tuple[list[ChangedCheck], list[ClaimedCheck]]:
    """Adds checks and claims what their hosts allow, and commits that.

    Args:
        connection: in no transaction.
        commands: for which `may_be`, none of which NSQ has delivered before.
        config: limits of hosts and leases.

    Returns:
        What was added, and what was claimed. Commands whose check is not among them are to be applied as others are:
        their host or question is not there yet, or they have expired, or were applied before.
    """
    wanted = rows.once_each(commands)
    until = min(command.expires_at for command in wanted)
    _, *limits = claims.claim_arguments(config, None)
    found = await connection.fetch(sql.SUBMIT_AT_ONCE, *rows.new_checks(wanted), until, *limits)
    added = [ChangedCheck(id=check_id, status="queued") for check_id in (found[0]["added"] if found else ())]
    return added, [claims.from_row(row) for row in found if row["check_id"] is not None]

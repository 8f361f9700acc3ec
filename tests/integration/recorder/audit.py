"""What must be true of the tables at any moment, whatever was done to them: each line names what breaks it."""

import asyncpg

_RULES = {
    "an open check is either queued or has a lease on its newest attempt": """
        SELECT c.id FROM checks c
        WHERE c.status IN ('queued', 'running')
            AND (EXISTS (SELECT FROM queue q WHERE q.check_id = c.id AND q.attempt = c.last_attempt + 1))
              = (c.last_attempt >= c.first_attempt AND EXISTS (
                    SELECT FROM leases l WHERE l.check_id = c.id AND l.attempt = c.last_attempt))""",
    "what is queued is an open check": """
        SELECT q.check_id FROM queue q LEFT JOIN checks c ON c.id = q.check_id
        WHERE c.id IS NULL OR c.status <> 'queued' OR q.host <> c.host""",
    "a check that ended has a result, of this run": """
        SELECT c.id FROM checks c LEFT JOIN results r ON r.check_id = c.id
        WHERE (c.status = 'done' AND (r.error_code IS NOT NULL OR r.counts IS NULL OR r.attempt < c.first_attempt))
            OR (c.status = 'failed' AND (r.error_code IS NULL OR r.attempt < c.first_attempt))
            OR (c.status IN ('done', 'failed') AND r.check_id IS NULL)""",
    "times are those of the state": """
        SELECT id FROM checks
        WHERE (finished_at IS NOT NULL) <> (status IN ('done', 'failed', 'cancelled'))
            OR (next_attempt_at IS NOT NULL AND status <> 'queued') OR (status = 'running' AND started_at IS NULL)
            OR finished_at < started_at""",
    "attempts and losses are what the history says": """
        SELECT c.id FROM checks c LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE error_code <> 'lost') AS ended,
                   count(*) FILTER (WHERE error_code = 'lost') AS lost
            FROM attempts a WHERE a.check_id = c.id AND a.run = c.run) h ON true
        WHERE c.status IN ('queued', 'running', 'failed') AND (c.attempts <> h.ended OR c.lost <> h.lost)""",
    "the list of cancelled checks is that": """
        SELECT coalesce(c.id, l.check_id) FROM (SELECT id FROM checks WHERE status = 'cancelled') c
        FULL JOIN cancelled l ON l.check_id = c.id WHERE c.id IS NULL OR l.check_id IS NULL""",
    "nothing is left of a check that is gone": """
        SELECT check_id FROM (SELECT check_id FROM results UNION SELECT check_id FROM attempts
                              UNION SELECT made_id FROM keys) p
        WHERE NOT EXISTS (SELECT FROM checks WHERE checks.id = p.check_id)""",
    "what was deleted is gone": """
        SELECT c.id FROM checks c JOIN outcomes o ON o.check_id = c.id AND o.outcome = 'deleted'""",
    "a host that has something to do is looked at": """
        SELECT q.check_id FROM queue q LEFT JOIN hosts h ON h.host = q.host
        WHERE CASE WHEN q.bulk THEN h.wake_bulk ELSE h.wake_interactive END IS NULL""",
}


async def broken_rules(connection: asyncpg.Connection) -> list[str]:
    """The rules that do not hold, with the first check that breaks each; none when all is well."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = [(rule, await connection.fetchval(query)) for rule, query in _RULES.items()]
    return [f"{rule}: {check_id}" for rule, check_id in found if check_id is not None]

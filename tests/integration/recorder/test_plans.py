"""Plans are kept over calls: they must be right for tables of any size, also when they were made for empty ones."""

from services.recorder import app
from shared.db import connect
from tests import factories
from tests.integration.recorder.database import Database, config

CONFIG = config(host_rate_per_s=0)
TABLES = ("checks", "queue", "hosts", "results", "attempts", "outcomes", "keys", "cancelled")

LET_ITS_PAUSE_PASS = "UPDATE queue SET due_at = clock_timestamp() - interval '1 ms' WHERE check_id = $1"
WAKE = "UPDATE hosts SET wake_interactive = '-infinity' WHERE host = $1"
FILL = """
WITH added AS (
    INSERT INTO checks (id, url, host, question, bulk, trace, status)
    SELECT gen_random_uuid(), 'http://slow.example/' || n, 'slow.example', md5('')::uuid, false, '', 'queued'
    FROM generate_series(1, 2000) AS n RETURNING id)
INSERT INTO queue (check_id, attempt, host, bulk, due_at)
SELECT id, 1, 'slow.example', false, clock_timestamp() + interval '1 h' FROM added
"""


async def life(db: Database) -> None:
    """A check from its submission to its result, over a failure, with a scheduler's look and sweep between."""
    (check,) = (await db.flush(factories.submit(), config=CONFIG)).claimed
    await db.flush(factories.failed(check), config=CONFIG)
    await db.recorder.execute(LET_ITS_PAUSE_PASS, check.check_id)
    await db.recorder.execute(WAKE, check.host)
    (check,) = await db.claim(CONFIG)
    await db.sweep()
    await db.flush(factories.counted(check), config=CONFIG)


async def scans(db: Database) -> dict[str, int]:
    """How often each table was read from end to end so far."""
    await db.recorder.execute("SELECT pg_stat_force_next_flush()")
    found = await db.recorder.fetch(
        "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY ($1)", TABLES
    )
    return {row["relname"]: row["seq_scan"] for row in found}


async def test_no_table_is_read_whole_whenever_the_plan_was_made(database_url: str) -> None:
    connection = await connect.connect(database_url, role=app.ROLE, parameters=app.PARAMETERS)
    db = Database(database_url, connection)
    await db.flush(factories.here())
    for _ in range(12):  # asyncpg prepares, and PostgreSQL settles on a plan after five executions
        await life(db)
    await db.recorder.execute(FILL)
    before = await scans(db)
    for _ in range(5):
        await life(db)
    assert await scans(db) == before
    await connection.close()

"""What the planner should know of results."""

from shared.db.migrations import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Adds the statistics; they are filled when the table is next analysed, which PostgreSQL sees to."""
    run_sql("0008_statistics.sql")

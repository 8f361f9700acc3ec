"""Reports in one statement, and what they write as a function."""

from shared.db.migrations import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds the functions that record."""
    run_sql("0006_record.sql")

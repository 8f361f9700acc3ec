"""New checks in one statement."""

from shared.db.migrations import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds the function that submits."""
    run_sql("0005_submit.sql")

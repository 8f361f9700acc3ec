"""What each statement has changed, for those who follow."""

from shared.db.migrations import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Adds the changes, and the triggers that note them."""
    run_sql("0009_changes.sql")

"""Cancelled, retried and deleted checks; indices for the lists."""

from shared.db.migrations import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds what these need."""
    run_sql("0002_life.sql")

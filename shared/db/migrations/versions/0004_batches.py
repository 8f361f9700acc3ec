"""Batches: many pages in one upload, and what is asked for stored once."""

from shared.db.migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the tables of batches, and replaces the functions of the claim and the sweep."""
    run_sql("0004_batches.sql")
    run_sql("0004_claim.sql")

"""Limits and leases: what their proofs asked for."""

from shared.db.migrations import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Replaces functions of the claim and the sweep."""
    run_sql("0003_limits.sql")

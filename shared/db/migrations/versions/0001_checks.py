"""Checks, their queue, leases and results; the claim; the three roles."""

from shared.db.migrations import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes everything that a first check needs."""
    for name in ("0001_tables.sql", "0001_claim.sql", "0001_roles.sql"):
        run_sql(name)

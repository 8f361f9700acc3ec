"""How many checks are in each state, kept by the database itself."""

from shared.db.migrations import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Adds the sums, of what there is, and the triggers that keep them."""
    run_sql("0007_tallies.sql")

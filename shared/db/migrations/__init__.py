"""Migrations in plain SQL: a revision in `versions/` runs files of `sql/`. Forward only."""

from pathlib import Path

from alembic import op

_SQL = Path(__file__).parent / "sql"


def run_sql(name: str) -> None:
    """Runs one file of `sql/`, of any number of statements, inside the migration's transaction."""
    text = (_SQL / name).read_text(encoding="utf-8")
    # asyncpg's simple protocol takes many statements at once; SQLAlchemy's own way prepares, which takes one.
    connection = op.get_bind().connection.dbapi_connection
    if connection is None:
        raise RuntimeError("a migration runs on an open connection")
    connection.run_async(lambda driver: driver.execute(text))

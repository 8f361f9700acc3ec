"""Rules of the house that no linter knows."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITES = re.compile(r"\b(INSERT\s+INTO|UPDATE\s+\w+\s+(\w\s+)?SET|DELETE\s+FROM|TRUNCATE|COPY\s+\w+\s+FROM)\b")
LONGEST_MODULE = 400


def sources(*folders: str, ending: str = ".py") -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob(f"*{ending}"))


def test_sql_that_writes_stands_in_the_recorder_and_the_migrations_alone() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in (*sources("services", "shared"), *sources("services", "shared", ending=".sql"))
        if WRITES.search(path.read_text(encoding="utf-8"))
    ]
    allowed = ("services/recorder/", "shared/db/migrations/")
    assert [path for path in found if not path.startswith(allowed)] == []
    assert "services/recorder/sql.py" in found  # the pattern does find what it is for


def test_only_settings_reads_the_environment() -> None:
    reading = re.compile(r"\b(os\.environ|os\.getenv|getenv\()")
    found = [path for path in sources("services", "shared") if reading.search(path.read_text(encoding="utf-8"))]
    assert found == [ROOT / "shared" / "settings.py"]


@pytest.mark.parametrize("path", [*sources("services", "shared", "deploy")], ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_services_have_the_same_shape() -> None:
    for service in sorted(path.parent for path in (ROOT / "services").glob("*/__main__.py")):
        assert len((service / "__main__.py").read_text().splitlines()) <= 6
        assert (service / "app.py").exists()
        assert (service / "handlers.py").exists()

"""What is asked for, as it is sent."""

from pathlib import Path

import pytest

from services.cli import files, filters
from services.cli.outcomes import UsageError
from services.cli.uploads import ExportFormat, FileFormat, Question, export_format, file_format, upload_within_s


def test_what_was_not_said_is_left_to_the_api() -> None:
    assert Question().body("example.org") == {"url": "example.org"}
    assert Question().query() == {}


def test_options_are_those_of_the_api() -> None:
    question = Question(words=["a", "b c"], source=True, whole_word=False, case_sensitive=True, label="x")
    options = {"scope": "source", "label": "x"}
    flags = {"whole_word": False, "case_sensitive": True}
    assert question.body("u") == {"url": "u", "words": ["a", "b c"], **options, **flags}
    assert question.query() == {"words": "a;b c", **options, "whole_word": "false", "case_sensitive": "true"}


def test_a_word_that_would_be_torn_is_refused() -> None:
    assert Question(words=["a;b"]).body("u")["words"] == ["a;b"]
    with pytest.raises(UsageError, match="ndjson"):
        Question(words=["a;b"]).query()


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("pages.csv", None, "csv"),
        ("a/PAGES.TXT", None, "txt"),
        ("x.jsonl", None, "ndjson"),
        ("x.zip", None, "zip"),
        ("x.json", None, "json"),
        ("-", None, "txt"),
        ("-", FileFormat.CSV, "csv"),
        ("x.txt", FileFormat.NDJSON, "ndjson"),
        ("x", FileFormat.TXT, "txt"),
    ],
)
def test_a_file_is_what_its_name_says(name: str, given: FileFormat | None, kind: str) -> None:
    assert file_format(name, given) == kind


@pytest.mark.parametrize("name", ["pages", "pages.xlsx", ".csv"])
def test_a_name_that_says_nothing_needs_a_format(name: str) -> None:
    with pytest.raises(UsageError, match="--format"):
        file_format(name, None)


def test_an_export_is_what_its_name_says() -> None:
    assert export_format(None, None, as_json=False) is ExportFormat.CSV
    assert export_format("x.ndjson", None, as_json=False) is ExportFormat.NDJSON
    assert export_format("x.ndjson", ExportFormat.CSV, as_json=False) is ExportFormat.CSV
    assert export_format(None, None, as_json=True) is ExportFormat.NDJSON
    with pytest.raises(UsageError):
        export_format(None, ExportFormat.CSV, as_json=True)


def test_a_large_upload_has_the_time_that_it_needs() -> None:
    assert upload_within_s(0) >= 200
    assert upload_within_s(256 * 2**20) >= 256 * 2**20 / 16_384


def test_batches_have_fewer_filters_than_checks() -> None:
    assert filters.of_checks({"host": "a", "label": None}, 50) == {"host": "a", "limit": "50"}
    assert filters.of_batches({"host": None, "label": "x"}, 5) == {"label": "x", "limit": "5"}
    with pytest.raises(UsageError, match="--http-status"):
        filters.of_batches({"http_status": "404"}, 5)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "results.csv"
    with files.appearing(target, force=False) as file:
        file.write(b"all")
        assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]
    with pytest.raises(UsageError, match="--force"), files.appearing(target, force=False):
        pass
    with pytest.raises(ValueError, match="no number"), files.appearing(target, force=True) as file:
        file.write(b"%d" % int("no number"))
    assert target.read_bytes() == b"all"
    with files.appearing(target, force=True) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_a_name_that_was_taken_meanwhile_is_left_to_whoever_has_it(tmp_path: Path) -> None:
    target = tmp_path / "results.csv"
    with pytest.raises(UsageError, match="meanwhile"), files.appearing(target, force=False):
        target.write_text("theirs")
    assert target.read_text() == "theirs"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be written"), files.appearing(tmp_path / "no" / "a", force=False):
        pass

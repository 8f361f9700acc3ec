"""docs/openapi.md has all of the OpenAPI document, and is that of this code."""

import re
from pathlib import Path

from services.gateway.openapi import page
from services.gateway.problems import PROBLEMS
from tests.described import DOCUMENT

ROOT = Path(__file__).parents[2]


def test_the_page_of_the_api_is_up_to_date() -> None:
    assert (ROOT / "docs" / "openapi.md").read_text(encoding="utf-8") == page.page(), "run make openapi"


def test_each_operation_and_each_object_has_a_section() -> None:
    headings = re.findall(r"^### (.*)$", page.page(), re.MULTILINE)
    operations = [f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item]
    assert sorted(headings) == sorted([*operations, *DOCUMENT["components"]["schemas"]])


def test_each_field_has_a_row() -> None:
    text = page.page()
    for name, schema in DOCUMENT["components"]["schemas"].items():
        section = text.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(schema["properties"])


def test_each_problem_of_the_api_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", page.page()))
    described = set(re.findall(r"- `(\w+)`:", str(DOCUMENT)))
    assert described
    assert described <= named
    assert described <= set(PROBLEMS) | {"invalid_url"}


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page.page(), re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table

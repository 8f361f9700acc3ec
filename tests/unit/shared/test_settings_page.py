from pathlib import Path

from shared import settings_page
from shared.settings import Settings, variable

ROOT = Path(__file__).parents[3]


def test_the_page_of_settings_is_up_to_date() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page.page(), "run make settings"


def test_each_setting_has_a_row() -> None:
    rows = [line for line in settings_page.page().splitlines() if line.startswith("| `WORDWATCH_")]
    assert [row.split("`")[1] for row in rows] == [variable(name) for name in Settings.__dataclass_fields__]
    for row in rows:
        assert row.count(" | ") == 3, row


def test_a_row_says_default_kind_and_bound() -> None:
    text = settings_page.page()
    for cells in (
        "`WORDWATCH_HOME` | `.wordwatch` | a path |",
        "`WORDWATCH_PORT` | `8080` | a port |",
        "`WORDWATCH_MAX_ATTEMPTS` | `3` | a whole number, 1 or more |",
        "`WORDWATCH_FETCH_TIMEOUT_S` | `30` | a number, 0.1 or more |",
        "`WORDWATCH_NSQD` | unset | a list, with commas |",
        "`WORDWATCH_AUTH` | unset | `off` or `token` |",
    ):
        assert cells in text

from pathlib import Path

from shared import messages_page, topics

ROOT = Path(__file__).parents[3]


def test_the_page_of_messages_is_up_to_date() -> None:
    assert (ROOT / "docs" / "messages.md").read_text(encoding="utf-8") == messages_page.page(), "run make messages"


def test_only_the_table_of_topics_spells_their_names() -> None:
    names = [f'"{topic.name}"' for topic in topics.ALL if topic.name not in ("checks", "results")]  # words of daily use
    for folder in ("services", "shared", "deploy"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name != "topics.py":
                text = path.read_text(encoding="utf-8")
                assert not [name for name in names if name in text], path

"""Bytes, header and question to counts, by the letter of docs/counting.md and as slowly as it takes to be obvious."""

from services.fetcher.counting import Question
from tests.unit.counting import reference
from tests.unit.counting.whole import charset, visible


def counts(body: bytes, content_type: str | None, question: Question) -> tuple[str, dict[str, int]] | None:
    """Name of the encoding, and how often each word is there; None where the rule leaves the encoding to a guess."""
    read = charset.characters(body, content_type)
    if read is None:
        return None
    name, text = read
    texts = [text]
    if question.scope == "text":
        texts = visible.blocks(text) if charset.is_html(content_type) else [text.replace("\0", "\ufffd")]
    return name, {word: sum(times(text, word, question) for text in texts) for word in question.words}


def times(text: str, word: str, question: Question) -> int:
    found = reference.spans(
        text, word, question.scope, whole_word=question.whole_word, case_sensitive=question.case_sensitive
    )
    return len(found)

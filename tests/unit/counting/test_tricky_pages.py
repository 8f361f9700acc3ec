"""Pages on which simpler counters go wrong."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from services.fetcher.counting import Question, count_page

CASES = json.loads((Path(__file__).parents[2] / "data" / "tricky.json").read_text(encoding="utf-8"))


def body_of(case: dict[str, Any]) -> bytes:
    body = case["html"].encode() if "html" in case else base64.b64decode(case["body_b64"])
    if case["headers"].get("Content-Encoding") == "deflate":
        try:
            return zlib.decompress(body)
        except zlib.error:  # without the zlib header, as some servers send it
            return zlib.decompress(body, -zlib.MAX_WBITS)
    return body


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}: {case['why']}")
def test_page_is_counted_as_expected(case: dict[str, Any]) -> None:
    question = Question(
        words=(case["word"],),
        scope=case["scope"],
        whole_word=case["whole_word"],
        case_sensitive=case["case_sensitive"],
    )

    counted = count_page(body_of(case), case["headers"].get("Content-Type"), question)

    assert counted.counts == {case["word"]: case["expected"]}
    assert counted.total == case["expected"]
    assert len(counted.snippets.get(case["word"], [])) == min(3, case["expected"])

"""The records of a batch that came as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from services.gateway.uploads.judging import TOO_DEEP, Judge
from services.gateway.uploads.records import MAX_RECORD_BYTES, Defaults, ReadRecord, beginning


def read_items(items: Sequence[Any], defaults: Defaults) -> Iterator[ReadRecord]:
    """A record for each item, whose `line` is its place, from 1.

    Args:
        items: what `json_bodies.parse_object` has read, so that no name stands twice in an object.
        defaults: what is asked where an item does not say.
    """
    judge = Judge(defaults)
    for place, item in enumerate(items, 1):
        try:
            text = _text(item)
        except RecursionError:  # read with fewer calls under way than there are here
            yield judge.refuse(place, "…", TOO_DEEP)
            continue
        if isinstance(item, dict):
            yield judge.record(place, text, item)
        else:
            yield judge.refuse(place, text, "Must be an object with a `url`.")


def _text(item: Any) -> str:
    if isinstance(item, dict) and list(item) == ["url"] and isinstance(item["url"], str):
        text: str = item["url"]
    else:
        text = msgspec.json.encode(item).decode()
    return beginning(text) if len(text) > MAX_RECORD_BYTES else text

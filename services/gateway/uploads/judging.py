"""What becomes of one record: the check it asks for, by the rules of `POST /checks`, or a reason in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from services.gateway.fields import Fields
from services.gateway.problems import FieldError
from services.gateway.requests import read_address, read_label, read_question
from services.gateway.uploads.records import Defaults, ReadRecord, storable
from shared.messages import Question

FIELDS: Final = ("url", "words", "scope", "whole_word", "case_sensitive", "label")
TOO_DEEP: Final = "It is nested too deeply."
_OWN: Final = frozenset({"words", "scope", "whole_word", "case_sensitive"})
_MAX_KNOWN: Final = 1_000
_MAX_KNOWN_BYTES: Final = 2_000
_MAX_TOLD: Final = 3
_MAX_NAME_CHARS: Final = 100


class Judge:
    """Makes records of what was read, for one upload or one file of it."""

    def __init__(self, defaults: Defaults, file: str | None = None) -> None:
        self._defaults = defaults.question
        self._file = file
        self._known: dict[bytes, Question] = {}  # by their JSON: in Python, 1 and True would be one key

    def record(self, line: int, text: str, values: Mapping[str, Any]) -> ReadRecord:
        """The record with these fields."""
        fields = Fields(values)
        address = read_address(fields)
        try:
            question = None if _OWN.isdisjoint(values) else self._question(fields)
        except RecursionError:
            return self.refuse(line, text, TOO_DEEP)
        label = read_label(fields)
        fields.refuse_unknown(FIELDS)
        if address is None or fields.errors:
            return self.refuse(line, text, reason_of(fields.errors))
        return ReadRecord(line, storable(text), address.url, address.host_key, question, label, None, self._file)

    def refuse(self, line: int, text: str, reason: str) -> ReadRecord:
        """A record that no check can be made of."""
        return ReadRecord(line, storable(text), None, None, None, None, reason, self._file)

    def _question(self, fields: Fields) -> Question:
        """What the record asks for; mostly the same as one before it, which need not be looked at again."""
        key = msgspec.json.encode({name: value for name, value in fields.values.items() if name in _OWN})
        known = self._known.get(key)
        if known is not None:
            return known
        errors = len(fields.errors)
        question = read_question(fields, self._defaults)
        if len(fields.errors) == errors and len(key) <= _MAX_KNOWN_BYTES:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = question
        return question


def reason_of(errors: Sequence[FieldError]) -> str:
    """What is wrong, in a few sentences: the first errors, and how many more there are."""
    told = [_sentence(error) for error in errors[:_MAX_TOLD]]
    more = len(errors) - _MAX_TOLD
    return storable(" ".join([*told, f"And {more:,} more."] if more > 0 else told))


def _sentence(error: FieldError) -> str:
    name, _, place = error.pointer.removeprefix("/").partition("/")
    if name == "url" and error.message.startswith("The address"):
        return error.message
    if place.isdecimal():
        return f"Word {int(place) + 1}: {error.message}"
    name = name.replace("~1", "/").replace("~0", "~")
    return f"{name[:_MAX_NAME_CHARS]}: {error.message}"

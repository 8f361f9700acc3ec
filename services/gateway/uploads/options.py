"""What is asked of all pages of a batch, out of the ways in which it can be said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.fields import Fields, Invalid
from services.gateway.requests import DEFAULT_QUESTION, read_label, read_question
from services.gateway.uploads.records import Defaults

NAMES: Final = ("words", "scope", "whole_word", "case_sensitive", "label")
_BOOLEANS: Final = {"true": True, "false": False}
_FLAGS: Final = frozenset({"whole_word", "case_sensitive"})
_WORD_END: Final = re.compile(r"[;\r\n]")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a batch.

    Attributes:
        defaults: what its records are asked for.
        label: the name of the batch.
    """

    defaults: Defaults
    label: str | None


def of_query(pairs: Iterable[tuple[str, str]]) -> Options:
    """Options given as query parameters; `words` may be given more than once, and holds words with `;` between them.

    Raises:
        Problem: `invalid_request` with every invalid or unknown parameter.
    """
    return _of_pairs(pairs, "query parameter")


def fields_of_query(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Options given as query parameters, as the fields of a JSON object that say the same.

    Raises:
        Problem: as `of_query`.
    """
    given = list(pairs)
    of_query(given)
    fields: dict[str, Any] = {}
    for name, value in given:
        if name == "words":
            fields.setdefault(name, []).extend(split_words(value))
        else:
            fields[name] = _BOOLEANS.get(value, value) if name in _FLAGS else value
    return fields


def of_form(pairs: Iterable[tuple[str, str]]) -> Options:
    """Options given as fields of a form, as in a query; but what was left blank is not said.

    Raises:
        Problem: `invalid_request` with every invalid or unknown field.
    """
    return _of_pairs([(name, value) for name, value in pairs if value.strip()], "field")


def of_json(body: Mapping[str, Any]) -> tuple[Options, list[Any]]:
    """Options given as fields of a JSON object, and its `items`.

    Raises:
        Problem: `invalid_request` with every invalid or unknown field; what is wrong with an item is no such thing.
    """
    fields = Fields(body)
    fields.require("items")
    items: list[Any] = fields.read("items", _array, [])
    return _read(fields, "field", (*NAMES, "items")), items


def split_words(text: str) -> list[str]:
    """Words with `;` or line breaks between them; blanks around them do not count, nor do empty ones."""
    return [word for piece in _WORD_END.split(text) if (word := piece.strip())]


def _of_pairs(pairs: Iterable[tuple[str, str]], what: str) -> Options:
    values: dict[str, Any] = {}
    fields = Fields(values)
    for name, value in pairs:
        if name == "words":
            values.setdefault(name, []).extend(split_words(value))
            continue
        if name in values:
            fields.note_repeat(name)
        values[name] = _BOOLEANS.get(value, value) if name in _FLAGS else value
    return _read(fields, what, NAMES)


def _read(fields: Fields, what: str, known: tuple[str, ...]) -> Options:
    question = read_question(fields, DEFAULT_QUESTION)
    label = read_label(fields)
    fields.refuse_unknown(known, what=what)
    fields.check()
    return Options(Defaults(question), label)


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid("Must be an array.")
    return value

"""Reading an object field by field, so that every invalid one is named and not just the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from services.gateway.inputs import limit_of
from services.gateway.problems import FieldError, Problem

T = TypeVar("T")
C = TypeVar("C", bound=str)

MAX_ERRORS = 1_000
"""Errors named in one answer: a body of 1 MiB could hold a hundred thousand unknown fields."""
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class Invalid(ValueError):
    """One value that can't be used; the text is a sentence for people.

    Attributes:
        code: of the problem, if this is all that is wrong.
        at: where inside the value: a JSON Pointer relative to it, "" for the value itself.
    """

    def __init__(self, message: str, *, code: str = "invalid_request", at: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.at = at


class ManyInvalid(ValueError):
    """Several things wrong inside one value."""

    def __init__(self, errors: list[Invalid]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


def escape(name: str) -> str:
    """A name as one step of a JSON Pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


@dataclass
class Fields:
    """The fields of one object, and what was found wrong with them so far."""

    values: Mapping[str, Any]
    errors: list[FieldError] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)

    def read(self, name: str, convert: Callable[[Any], T], default: T) -> T:
        """The converted value of a field; its default when it is missing or wrong (then the error is kept)."""
        if name not in self.values:
            return default
        try:
            return convert(self.values[name])
        except Invalid as error:
            self._add(name, error)
        except ManyInvalid as many:
            for each in many.errors:
                self._add(name, each)
        return default

    def require(self, name: str) -> None:
        """Notes a missing field."""
        if name not in self.values:
            self._add(name, Invalid("Required, and missing."))

    def refuse_unknown(self, known: Collection[str], *, what: str = "field") -> None:
        """Notes each field that is not in `known`."""
        for name in self.values:
            if name not in known:
                self._add(name, Invalid(f"Unknown {what}; known are: {', '.join(known) or 'none'}."))

    def note_repeat(self, name: str) -> None:
        """Notes a field that has one value, and was given another one."""
        self.errors.append(FieldError(f"/{escape(name)}", "Is given more than once."))

    def _add(self, name: str, error: Invalid) -> None:
        self.codes.add(error.code)
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(FieldError(f"/{escape(name)}{error.at}", str(error)))

    def check(self) -> None:
        """Ends the reading.

        Raises:
            Problem: something is wrong, with all that is.
        """
        if not self.errors:
            return
        code = self.codes.pop() if len(self.codes) == 1 else "invalid_request"
        first = self.errors[0]
        more = f" And {len(self.errors) - 1} more, see `errors`." if len(self.errors) > 1 else ""
        raise Problem(code, f"{first.pointer}: {first.message}{more}", errors=self.errors)


def boolean(value: Any) -> bool:
    """A JSON true or false, and nothing that could be taken for one."""
    if not isinstance(value, bool):
        raise Invalid("Must be true or false.")
    return value


def one_of(choices: Sequence[C]) -> Callable[[Any], C]:
    """A converter to one of the strings of `choices`."""

    def convert(value: Any) -> C:
        for choice in choices:
            if value == choice:
                return choice
        raise Invalid(f"Must be one of {', '.join(choices)}.")

    return convert


def whole_number(type_: Any) -> Callable[[str], int]:
    """A converter of digits to a number in the range of an annotated type."""
    least, most = limit_of(type_, "ge"), limit_of(type_, "le")

    def convert(value: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(value) or not least <= int(value) <= most:
            raise Invalid(f"Must be a whole number from {least} to {most}.")
        return int(value)

    return convert


def text(type_: Any) -> Callable[[Any], str]:
    """A converter to a string that PostgreSQL can hold, no shorter and no longer than an annotated type."""
    min_chars, max_chars = limit_of(type_, "min_length") or 0, limit_of(type_, "max_length")

    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise Invalid("Must be a string.")
        if len(value) < min_chars:
            raise Invalid("Is empty." if not value else f"Has {len(value):,} characters; {min_chars:,} are the fewest.")
        if len(value) > max_chars:
            raise Invalid(f"Has {len(value):,} characters; {max_chars:,} are the most.")
        if "\0" in value:
            raise Invalid("Contains the character U+0000.")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise Invalid("Contains half of a surrogate pair, which is no character.")
        return value

    return convert

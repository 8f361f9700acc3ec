"""Bodies that are JSON: read strictly, so that what was meant can't be taken for something else."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec

from services.gateway.fields import escape
from services.gateway.problems import FieldError, Problem


def parse_object(body: bytes, *, what: str = "The body") -> dict[str, Any]:
    """Decodes a JSON object (RFC 8259).

    A name that stands twice in an object is refused, as I-JSON has it (RFC 7493 §2.3): programs differ in which of the
    two they take, so whatever looked at the body on its way here may have seen another request.

    Args:
        body: what stands where the object should.
        what: what errors call it.

    Raises:
        Problem: `invalid_json`; or `invalid_request` when it is JSON, but no object, or none that can be taken.
    """
    try:
        value = msgspec.json.decode(body)
        if not isinstance(value, dict):
            raise _unusable("", f"{what} must be a JSON object.")
        _refuse_repeated_names(body)
    except RecursionError:  # the second reading bears a little less than the first
        raise Problem("invalid_json", f"{what} is nested too deeply.") from None
    except msgspec.ValidationError:  # good JSON; without a type to decode to, only a number can be meant
        raise _unusable("", f"A number in {what.lower()} is out of range.") from None
    except msgspec.DecodeError as error:
        told = str(error).removeprefix("JSON is malformed: ")
        raise Problem("invalid_json", f"{what} is not JSON: {told[0].lower()}{told[1:]}.") from None
    except UnicodeDecodeError:
        raise Problem("invalid_json", f"{what} is not JSON: it is not UTF-8.") from None
    return value


def _unusable(pointer: str, message: str) -> Problem:
    return Problem("invalid_request", message, errors=[FieldError(pointer, message)])


def _refuse_repeated_names(body: bytes) -> None:
    """Names of the outermost object are pointed at; inside of others there are no fields."""
    repeated: list[str] = []
    inside: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        inside.extend(repeated)  # the outermost object is the last one
        repeated.clear()
        if len(dict(pairs)) < len(pairs):
            names = Counter(name for name, _ in pairs)
            repeated.extend(name for name, times in names.items() if times > 1)
        return {}

    # Its numbers are not looked at: there may be some that only the decoder above bears.
    json.loads(body, object_pairs_hook=look, parse_int=str, parse_float=str)
    if repeated:
        raise Problem(
            "invalid_request",
            "A field is given more than once.",
            errors=[FieldError(f"/{escape(name)}", "Is given more than once.") for name in repeated],
        )
    if inside:
        raise _unusable("", f"An object in it has the name {inside[0][:100]!r} more than once.")

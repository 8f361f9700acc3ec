"""What callers ask for, validated: pure functions from what came in to what is meant."""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from services.gateway import filters
from services.gateway.fields import Fields, Invalid, ManyInvalid, boolean, text
from services.gateway.filters import CheckFilter
from services.gateway.problems import FieldError, Problem
from shared import urls
from shared.messages import Question, Scope
from shared.wording import is_empty_query

MAX_JSON_BYTES: Final = 2**20
MAX_WORDS: Final = 1_000
MAX_WORD_CHARS: Final = 200
MAX_WORDS_BYTES: Final = 64 * 2**10
MAX_LABEL_CHARS: Final = 200
DEFAULT_WORDS: Final[tuple[str, ...]] = ("python",)
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500

SCOPES: Final[tuple[Scope, ...]] = typing.get_args(Scope)
_NO_ADDRESS: Final = urls.Address("", "", "", 0, "")  # stands in for what was refused, until `check` raises


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A check that can be submitted: `POST /checks` after validation, with the defaults applied.

    Attributes:
        url: in normal form.
        host: the host key of `url`.
        question: what to count, each word once.
        label: the caller's own name for it.
    """

    url: str
    host: str
    question: Question
    label: str | None

    def digest(self) -> str:
        """What two requests have in common exactly when they ask for the same (SHA-256, in hex)."""
        body = {"url": self.url, "label": self.label, **msgspec.structs.asdict(self.question)}
        return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def parse_object(body: bytes) -> dict[str, Any]:
    """Decodes a JSON object.

    Raises:
        Problem: `invalid_json`; or `invalid_request` when it is JSON, but no object.
    """
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise Problem("invalid_json", "The body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        message = "The body must be a JSON object."
        raise Problem("invalid_request", message, errors=[FieldError("", message)])
    return value


def check_request(values: Mapping[str, Any]) -> CheckRequest:
    """Validates the fields of a check.

    Raises:
        Problem: `invalid_request` with every invalid field, or `invalid_url` when the address is all that is wrong.
    """
    fields = Fields(values)
    fields.require("url")
    address = fields.read("url", _address, _NO_ADDRESS)
    scope: Scope = fields.read("scope", _scope, "text")
    words = fields.read("words", lambda value: _words(value, scope), DEFAULT_WORDS)
    whole_word = fields.read("whole_word", boolean, True)
    case_sensitive = fields.read("case_sensitive", boolean, False)
    label = fields.read("label", _label, None)
    fields.refuse_unknown(("url", "words", "scope", "whole_word", "case_sensitive", "label"))
    fields.check()
    question = Question(words=words, scope=scope, whole_word=whole_word, case_sensitive=case_sensitive)
    return CheckRequest(url=address.url, host=address.host_key, question=question, label=label)


def _address(value: Any) -> urls.Address:
    if not isinstance(value, str):
        raise Invalid("Must be a string.")
    try:
        return urls.normalize(value)
    except urls.InvalidUrl as error:
        raise Invalid(f"The address {error.reason}.", code="invalid_url") from None


def _scope(value: Any) -> Scope:
    for scope in SCOPES:
        if value == scope:
            return scope
    raise Invalid(f"Must be one of {', '.join(SCOPES)}.")


def _label(value: Any) -> str | None:
    return None if value is None else text(MAX_LABEL_CHARS)(value) or None


def _words(value: Any, scope: Scope) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Invalid("Must be an array of strings.")
    if not value:
        raise Invalid("Must have at least one word; leave the field out to count the default.")
    if len(value) > MAX_WORDS:
        raise Invalid(f"Has {len(value):,} words; {MAX_WORDS:,} are the most.")
    words: dict[str, None] = {}
    errors: list[Invalid] = []
    for index, item in enumerate(value):
        try:
            words[_word(item, scope)] = None
        except Invalid as error:
            errors.append(Invalid(str(error), at=f"/{index}"))
    if errors:
        raise ManyInvalid(errors)
    size = sum(len(word.encode()) for word in words)
    if size > MAX_WORDS_BYTES:
        raise Invalid(f"Has {size:,} bytes (UTF-8) in all; {MAX_WORDS_BYTES:,} are the most.")
    return tuple(words)


def _word(value: Any, scope: Scope) -> str:
    word = text(MAX_WORD_CHARS)(value)
    if not word:
        raise Invalid("Is empty.")
    if is_empty_query(word, scope):
        raise Invalid("Nothing is left of it when white space and invisible characters are removed.")
    return word


class ListRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of checks: which ones, how many, and after which one."""

    wanted: CheckFilter
    limit: int
    cursor: str | None


LIST_PARAMETERS: Final = (*filters.NAMES, "limit", "cursor")


def list_request(query: Iterable[tuple[str, str]]) -> ListRequest:
    """Validates the query parameters of `GET /checks`.

    Raises:
        Problem: `invalid_request` with every invalid or unknown parameter.
    """
    fields = _parameters(query)
    wanted = filters.read_filter(fields)
    limit = fields.read("limit", _limit, DEFAULT_LIMIT)
    cursor = fields.read("cursor", str, None)
    fields.refuse_unknown(LIST_PARAMETERS, what="query parameter")
    fields.check()
    return ListRequest(wanted=wanted, limit=limit, cursor=cursor)


def no_parameters(query: Iterable[tuple[str, str]]) -> None:
    """Refuses every query parameter, where there are none to give.

    Raises:
        Problem: `invalid_request` with each of them.
    """
    fields = _parameters(query)
    fields.refuse_unknown((), what="query parameter")
    fields.check()


def no_fields(values: Mapping[str, Any]) -> None:
    """Refuses every field of a body, where there are none to give.

    Raises:
        Problem: `invalid_request` with each of them.
    """
    fields = Fields(values)
    fields.refuse_unknown(())
    fields.check()


def _parameters(query: Iterable[tuple[str, str]]) -> Fields:
    values: dict[str, str] = {}
    fields = Fields(values)
    for name, value in query:
        if name in values:
            fields.errors.append(FieldError(f"/{name}", "Is given more than once."))
        values[name] = value
    return fields


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 4 and 1 <= int(value) <= MAX_LIMIT):
        raise Invalid(f"Must be a whole number from 1 to {MAX_LIMIT}.")
    return int(value)

"""What callers ask for, validated: pure functions from what came in to what is meant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from services.gateway import filters, times
from services.gateway.fields import Fields, Invalid, ManyInvalid, boolean, one_of, text, whole_number
from services.gateway.filters import CheckFilter
from services.gateway.inputs import (
    DEFAULT_LIMIT,
    MAX_AHEAD_DAYS,
    MAX_WORDS_BYTES,
    SCOPES,
    SORTS,
    CheckInput,
    LabelText,
    Limit,
    ListInput,
    Sort,
    Word,
    Words,
    limit_of,
)
from shared import urls
from shared.messages import Question, Scope
from shared.wording import is_empty_query

_FIELDS: Final = CheckInput.__struct_fields__
_MAX_WORDS: Final = limit_of(Words, "max_length")
_DEFAULTS: Final = CheckInput(url="")
DEFAULT_QUESTION: Final = Question(
    words=_DEFAULTS.words,
    scope=_DEFAULTS.scope,
    whole_word=_DEFAULTS.whole_word,
    case_sensitive=_DEFAULTS.case_sensitive,
)
"""What is counted where nothing else is asked for."""
_NO_ADDRESS: Final = urls.Address("", "", "", 0, "")  # stands in for what was refused, until `check` raises


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A check that can be submitted: `POST /checks` after validation, with the defaults applied.

    Attributes:
        url: in normal form.
        host: the host key of `url`.
        question: what to count, each word once.
        label: the caller's own name for it.
        run_at: not to be begun before; None: at once.
    """

    url: str
    host: str
    question: Question
    label: str | None
    run_at: datetime | None = None

    def digest(self) -> str:
        """What two requests have in common exactly when they ask for the same (SHA-256, in hex)."""
        body = {"url": self.url, "label": self.label, **msgspec.structs.asdict(self.question)}
        if self.run_at is not None:
            body["run_at"] = self.run_at
        return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def check_request(values: Mapping[str, Any], *, latest: datetime | None = None) -> CheckRequest:
    """Validates the fields of a check.

    Args:
        values: the fields.
        latest: no `run_at` may be later; None: any may.

    Raises:
        Problem: `invalid_request` with every invalid field, or `invalid_url` when the address is all that is wrong.
    """
    fields = Fields(values)
    address = read_address(fields) or _NO_ADDRESS
    question = read_question(fields, DEFAULT_QUESTION)
    label = read_label(fields)
    run_at = fields.read("run_at", lambda value: _run_at(value, latest), None)
    fields.refuse_unknown(_FIELDS)
    fields.check()
    return CheckRequest(url=address.url, host=address.host_key, question=question, label=label, run_at=run_at)


def read_address(fields: Fields) -> urls.Address | None:
    """The address of a check; None where it is missing or wrong, which is noted."""
    fields.require("url")
    return fields.read("url", _address, None)


def read_question(fields: Fields, defaults: Question) -> Question:
    """What is to be counted; what is wrong is noted, what is not said is as in `defaults`."""
    scope = fields.read("scope", _SCOPE, defaults.scope)
    if "words" in fields.values or scope == defaults.scope:
        words = fields.read("words", lambda value: _words(value, scope), defaults.words)
    else:
        words = fields.read("scope", lambda _: _words_there(defaults.words, scope), defaults.words)
    whole_word = fields.read("whole_word", boolean, defaults.whole_word)
    case_sensitive = fields.read("case_sensitive", boolean, defaults.case_sensitive)
    return Question(words=words, scope=scope, whole_word=whole_word, case_sensitive=case_sensitive)


def read_label(fields: Fields) -> str | None:
    """The label, None for an empty one; what is wrong with it is noted."""
    return fields.read("label", _label, None)


def _address(value: Any) -> urls.Address:
    if not isinstance(value, str):
        raise Invalid("Must be a string.")
    try:
        return urls.normalize(value)
    except urls.InvalidUrl as error:
        raise Invalid(f"The address {error.reason}.", code="invalid_url") from None


_SCOPE: Final = one_of(SCOPES)
_LABEL_TEXT: Final = text(LabelText)


def _label(value: Any) -> str | None:
    return None if value is None else _LABEL_TEXT(value) or None


def _run_at(value: Any, latest: datetime | None) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str) or " " in value:
        raise Invalid("Must be a string: a time with its offset, such as 2026-01-31T12:00:00Z.")
    found = times.parse(value).to_datetime()
    if latest is not None and found > latest:
        raise Invalid(f"Must be within {MAX_AHEAD_DAYS} days from now.")
    return found


def _words(value: Any, scope: Scope) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Invalid("Must be an array of strings.")
    if not value:
        raise Invalid("Must have at least one word; leave the field out to count the default.")
    if len(value) > _MAX_WORDS:
        raise Invalid(f"Has {len(value):,} words; {_MAX_WORDS:,} are the most.")
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


_WORD_TEXT: Final = text(Word)


def _word(value: Any, scope: Scope) -> str:
    word = _WORD_TEXT(value)
    if is_empty_query(word, scope):
        raise Invalid("Nothing is left of it when white space and invisible characters are removed.")
    return word


def _words_there(words: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
    """Words of another scope: what the source of a page has, as a blank, can be nothing in its text."""
    for word in words:
        if is_empty_query(word, scope):
            raise Invalid(f"Needs `words` of its own: nothing is left there of {word!r}.")
    return words


class ListRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of checks: which ones, how many, and after which one."""

    wanted: CheckFilter
    limit: int
    cursor: str | None
    sort: Sort = "newest"

    def name(self) -> str:
        """Names the list, however it was asked for: what cursors belong to."""
        return self.wanted.list_name() + ("" if self.sort == "newest" else f"&{self.sort}")


def list_request(query: Iterable[tuple[str, str]]) -> ListRequest:
    """Validates the query parameters of `GET /checks`.

    Raises:
        Problem: `invalid_request` with every invalid or unknown parameter.
    """
    fields = parameters(query)
    wanted = filters.read_filter(fields)
    limit = fields.read("limit", whole_number(Limit), DEFAULT_LIMIT)
    cursor = fields.read("cursor", str, None)
    sort = fields.read("sort", one_of(SORTS), SORTS[0])
    fields.refuse_unknown(ListInput.__struct_fields__, what="query parameter")
    fields.check()
    return ListRequest(wanted=wanted, limit=limit, cursor=cursor, sort=sort)


def no_parameters(query: Iterable[tuple[str, str]]) -> None:
    """Refuses every query parameter, where there are none to give.

    Raises:
        Problem: `invalid_request` with each of them.
    """
    fields = parameters(query)
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


def parameters(query: Iterable[tuple[str, str]]) -> Fields:
    """Query parameters, to be read as fields; one that is given twice is noted."""
    values: dict[str, str] = {}
    fields = Fields(values)
    for name, value in query:
        if name in values:
            fields.note_repeat(name)
        values[name] = value
    return fields

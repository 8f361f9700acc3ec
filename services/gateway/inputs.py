"""What callers may send, as types: names, limits, defaults and what each is for.

Nothing is decoded into these. What validates requests (`requests`, `filters`, `headers`) takes its limits from here,
and so does the description of the API, so that one can't say what the other does not do. Rules that a type has no words
for (what makes an address usable, the bytes of all words) stand where they are checked, and in the descriptions.
"""

from __future__ import annotations

import typing
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared import urls
from shared.errors import ERRORS
from shared.messages import Scope, Status

MAX_WORDS_BYTES: Final = 64 * 2**10
DEFAULT_WORDS: Final[tuple[str, ...]] = ("python",)
DEFAULT_LIMIT: Final = 50
MAX_WAIT_S: Final = 60
MAX_AHEAD_DAYS: Final = 366
MAX_REQUEST_ID_CHARS: Final = 64
SCOPES: Final[tuple[Scope, ...]] = typing.get_args(Scope)
STATUSES: Final[tuple[Status, ...]] = typing.get_args(Status)

_NO_NUL: Final = r"^[^\u0000]*$"  # PostgreSQL's text can't hold it

Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=urls.MAX_URL_CHARS,
        description=(
            "Address of the page. `http://` is added when it has no scheme; others than http and https are refused, as "
            "are user names in it. International host names are taken as they are. What is shown later is its normal "
            "form: lower-case scheme, IDNA host, no default port, no fragment, dot segments resolved, query untouched."
        ),
        examples=["example.org/about", "https://example.org/?q=1", "http://bücher.example/"],
        extra_json_schema={"format": "web-address"},
    ),
]
WordText = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]
Word = Annotated[
    WordText,
    Meta(
        description=(
            "A word or a phrase. In `text`, at least one of its characters has to be neither white space nor invisible."
        ),
        examples=["python", "open source"],
    ),
]
Words = Annotated[
    tuple[Word, ...],
    Meta(
        min_length=1,
        max_length=1_000,
        description=(
            f"What to count. A word that is given twice is counted once. {MAX_WORDS_BYTES:,} bytes (UTF-8) in all are "
            "the most."
        ),
        examples=[["python", "open source"]],
    ),
]
ScopeOf = Annotated[
    Scope,
    Meta(description="`text`: what a reader of the page sees. `source`: what the server sent, as text."),
]
LabelText = Annotated[str, Meta(max_length=200, pattern=_NO_NUL)]
Label = Annotated[
    LabelText | None,
    Meta(description='A name of your own for the check. "" is the same as null.', examples=["team page"]),
]


RunAt = Annotated[
    Annotated[datetime, Meta(tz=True)] | None,
    Meta(
        description=(
            f"Not to be begun before this time, with its offset (RFC 3339): {MAX_AHEAD_DAYS} days from now at most. A "
            "time that has passed means now, as does null."
        ),
        examples=["2026-01-31T18:00:00+01:00"],
    ),
]


class CheckInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which words to count on which page. Fields of other names are refused."""

    url: Url
    words: Words = DEFAULT_WORDS
    scope: ScopeOf = "text"
    whole_word: Annotated[
        bool, Meta(description="Whether a match has to begin and end where words do: `go` is not in `going`.")
    ] = True
    case_sensitive: Annotated[bool, Meta(description="Whether `Python` and `python` are two.")] = False
    label: Label = None
    run_at: RunAt = None


Host = Annotated[
    str,
    Meta(
        min_length=1,
        description=(
            "Host of the page, with its port unless that is 80 or 443; or `*.` and what the name ends with: `*.org`."
        ),
        examples=["example.org", "*.example.org", "localhost:8088"],
        extra_json_schema={"format": "host-or-suffix"},
    ),
]
FilterLabel = Annotated[LabelText, Meta(description="The whole label.", examples=["team page"])]
FilterWord = Annotated[WordText, Meta(description="One of the words asked for, spelt alike.", examples=["python"])]
ErrorCode = Annotated[
    str,
    Meta(
        description="Why there is no count. `/docs/problems` explains each code.",
        examples=["http_error"],
        extra_json_schema={"enum": sorted(ERRORS)},
    ),
]
HttpStatus = Annotated[int, Meta(ge=100, le=999, description="Status of the page's server.", examples=[404])]
UrlPrefix = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=urls.MAX_URL_CHARS,
        description=(
            "What the URL shown begins with, with at least a part of the host; without a scheme, http and https are "
            "both meant."
        ),
        examples=["https://example.org/blog/", "example.org/blog/"],
        extra_json_schema={"format": "web-address-prefix"},
    ),
]
_A_TIME: Final = "A time with its offset (RFC 3339): checks that were asked for"
CreatedFrom = Annotated[
    datetime, Meta(tz=True, description=f"{_A_TIME} then or later.", examples=["2026-01-31T12:00:00Z"])
]
CreatedTo = Annotated[datetime, Meta(tz=True, description=f"{_A_TIME} before it.", examples=["2026-02-01T00:00:00Z"])]
Limit = Annotated[int, Meta(ge=1, le=500, description="How many checks a page of the list has at most.")]
Cursor = Annotated[
    str,
    Meta(
        description=(
            "Where the page begins: `next_cursor` of the one before it, with the same filters. To be taken as it is."
        ),
        extra_json_schema={"format": "cursor"},
    ),
]


Sort = Literal["newest", "oldest"]
SORTS: Final[tuple[Sort, ...]] = ("newest", "oldest")


class FilterInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of checks is narrowed down by; all that is given has to apply."""

    status: Annotated[Status, Meta(description="State of the check.")] | UnsetType = UNSET
    host: Host | UnsetType = UNSET
    label: FilterLabel | UnsetType = UNSET
    word: FilterWord | UnsetType = UNSET
    batch_id: Annotated[UUID, Meta(description="Checks of this batch.")] | UnsetType = UNSET
    error: ErrorCode | UnsetType = UNSET
    http_status: HttpStatus | UnsetType = UNSET
    url_prefix: UrlPrefix | UnsetType = UNSET
    created_from: CreatedFrom | UnsetType = UNSET
    created_to: CreatedTo | UnsetType = UNSET


class ListInput(FilterInput, frozen=True, kw_only=True):
    """A page of the list of checks: its filters, and which part of it."""

    sort: Annotated[Sort, Meta(description="In which order, by when they were asked for.")] = "newest"
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | UnsetType = UNSET


Prefer = Annotated[
    str,
    Meta(
        description=(
            f"`wait=30` (RFC 7240): up to so many seconds, {MAX_WAIT_S} at most, the answer waits for the check to end."
            " What can't be read is ignored."
        ),
        examples=["wait=30"],
        extra_json_schema={"format": "prefer"},
    ),
]
IdempotencyKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=r'^(?!""$)[!-~]([ -~]*[!-~])?$',
        description=(
            "A name of your own for this very request: sent again with it within 24 hours, the request gives the check "
            'that it gave. `"k"` and `k` are the same. Deleting the check frees the key.'
        ),
        examples=["5f3f9c1e-6a0b-4c53-8e0a-1f6a3b7f4f0d"],
        extra_json_schema={"format": "idempotency-key"},
    ),
]
RequestId = Annotated[
    str,
    Meta(
        description=(
            f"A name for this request in the logs, 1 to {MAX_REQUEST_ID_CHARS} characters of printable ASCII without "
            "blanks, which the answer repeats. Without one, or with another, the gateway makes one up."
        ),
        examples=["nightly-0017"],
        extra_json_schema={"format": "request-id"},
    ),
]
IfNoneMatch = Annotated[
    str, Meta(description="The `ETag` of what you have: where that is still right, the answer is 304 and empty.")
]
LastEventId = Annotated[str, Meta(description="The id of the last event that you have, to go on from there.")]


def limit_of(type_: Any, name: str) -> Any:
    """One limit of an annotated type: `max_length`, `ge`, … as `Meta` calls it; None where there is none."""
    found = [getattr(each, name) for each in typing.get_args(type_)[1:]]
    return next((value for value in found if value is not None), None)

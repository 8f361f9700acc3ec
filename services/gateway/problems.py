"""What can go wrong with a request, as RFC 9457 problem details: one table for answers and for their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.errors import ERRORS

CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One row of the table.

    Attributes:
        code: stable name; its page is `/docs/problems/<code>`.
        status: HTTP status of the answer.
        title: what happened, in a few words.
        hint: what whoever asked can do about it.
        retry_after_s: pause to suggest, in seconds, where trying again makes sense.
    """

    code: str
    status: int
    title: str
    hint: str
    retry_after_s: int | None = None


_KINDS: Final = (
    ProblemKind(
        "bad_request",
        400,
        "The request could not be read",
        "Compare it with what HTTP and the description of the API ask for.",
    ),
    ProblemKind(
        "invalid_json", 400, "The body is not JSON", "Send one JSON value, in UTF-8 without a byte order mark."
    ),
    ProblemKind(
        "invalid_idempotency_key",
        400,
        "The Idempotency-Key can't be used",
        "Send one key of 1 to 255 printable ASCII characters; a random UUID is a good one.",
    ),
    ProblemKind(
        "cross_site_request",
        403,
        "The request came from another site's page",
        "Pages of other sites may not change anything here. A program that is not a browser sends no Origin header.",
    ),
    ProblemKind(
        "not_found",
        404,
        "There is nothing here",
        "Look for a typing error in the address; or what was here has been deleted.",
    ),
    ProblemKind("method_not_allowed", 405, "This can't be done here", "The Allow header names what can be done."),
    ProblemKind("request_timeout", 408, "The request did not arrive in time", "Send it again, on a better connection."),
    ProblemKind(
        "already_finished",
        409,
        "It has ended already",
        "What has ended by itself can't be cancelled any more; it can be deleted.",
    ),
    ProblemKind(
        "not_retryable",
        409,
        "There is nothing to run again",
        "Only checks that failed or were cancelled can be; cancel an unfinished one first, or ask for a new check.",
    ),
    ProblemKind(
        "still_receiving",
        409,
        "The upload of the batch is under way",
        "Wait for its answer; or cancel the batch, which ends the upload, or delete it.",
    ),
    ProblemKind(
        "not_receiving",
        409,
        "The batch was given up while its lines came",
        "Somebody cancelled or deleted it. Send it again if that was a mistake; its Idempotency-Key is free.",
    ),
    ProblemKind(
        "body_too_large",
        413,
        "The body is too large",
        "The answer says how large it may be; whoever runs wordwatch can set WORDWATCH_MAX_JSON_BYTES and "
        "WORDWATCH_MAX_UPLOAD_BYTES.",
    ),
    ProblemKind(
        "uri_too_long",
        414,
        "The address of the request is too long",
        "It may have 8,192 bytes with all its parameters.",
    ),
    ProblemKind(
        "unsupported_media_type",
        415,
        "The body is of a type that is not taken here",
        "Send JSON with Content-Type: application/json; the answer to an upload names what else is taken there. "
        "Compress with gzip or deflate, or not.",
    ),
    ProblemKind(
        "unknown_host",
        421,
        "wordwatch does not go by this name here",
        "Whoever runs wordwatch can add the name to WORDWATCH_PUBLIC_HOSTS. Loopback names always work.",
    ),
    ProblemKind(
        "invalid_request", 422, "The request is not valid", "The answer names each field that has to change, and why."
    ),
    ProblemKind(
        "idempotency_key_reused",
        422,
        "The Idempotency-Key was used with another body",
        "Make a fresh key for each new request; keep it only to repeat the very same one.",
    ),
    ProblemKind(
        "refused",
        422,
        "The request could not be stored",
        "Something in it is more than the database takes; simplify it.",
    ),
    ProblemKind(
        "empty_batch",
        422,
        "The upload has no lines",
        "Send at least one address. Blank lines, and the header of a CSV file, do not count.",
    ),
    ProblemKind(
        "invalid_upload",
        422,
        "The file can't be read",
        "Send a .csv, .txt or .ndjson file, or a .zip archive of such files, as an archiver makes it by itself.",
    ),
    ProblemKind(
        "headers_too_large",
        431,
        "The headers of the request are too large",
        "Often it is the cookies that other programs set for this host name: clear them, or use another name.",
    ),
    ProblemKind("internal", 500, "wordwatch made a mistake of its own", "Please report it with the X-Request-Id."),
    ProblemKind(
        "not_committed",
        503,
        "Nothing confirmed in time that the request is recorded",
        "It may be, or may still come to be, under the id given here: look there before asking again.",
        5,
    ),
    ProblemKind(
        "upload_interrupted",
        503,
        "The upload could not be completed",
        "Nothing of it will be checked. Send it again, with the same Idempotency-Key if it had one.",
        5,
    ),
    ProblemKind("too_many_uploads", 503, "Too many uploads are under way", "Try again when others have ended.", 10),
    ProblemKind("too_many_waiting", 503, "Too many requests are waiting", "Try again in a moment.", 2),
    ProblemKind(
        "too_many_connections",
        503,
        "Too many connections are open",
        "Try again in a moment, and use a connection for more than one request.",
        2,
    ),
    ProblemKind("database_unavailable", 503, "The database does not answer", "Try again in a moment.", 5),
)
PROBLEMS: Final[Mapping[str, ProblemKind]] = MappingProxyType({kind.code: kind for kind in _KINDS})

_BY_STATUS: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    431: "headers_too_large",
    503: "too_many_connections",
}
_DETAILS: Final = {404: "Nothing is at this address.", 405: "The method is none of those that Allow names."}


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field."""

    pointer: Annotated[str, Meta(description="JSON Pointer (RFC 6901) to it; of a query parameter, `/` and its name.")]
    message: Annotated[str, Meta(description="What is wrong with it, a sentence.")]


class ProblemView(msgspec.Struct, frozen=True, kw_only=True):
    """Why the request was not answered as asked: problem details (RFC 9457)."""

    type: Annotated[
        str,
        Meta(
            description="A page that explains this kind of problem; relative to the address of the request.",
            extra_json_schema={"format": "uri-reference"},
        ),
    ]
    title: Annotated[str, Meta(description="What happened, in a few words; the same for each of its kind.")]
    status: Annotated[int, Meta(ge=400, le=599, description="Status of the answer.")]
    detail: Annotated[str, Meta(description="What happened this time, a sentence.")]
    code: Annotated[str, Meta(description="Stable name of the kind of problem, for programs.")]
    errors: Annotated[Sequence[FieldError], Meta(description="Every invalid field; [] where it is not about fields.")]
    id: (
        Annotated[
            str,
            Meta(
                description="With `not_committed`: id of the check or batch that may be recorded all the same.",
                extra_json_schema={"format": "uuid"},
            ),
        ]
        | UnsetType
    ) = UNSET


@dataclass(eq=False)
class Problem(Exception):
    """A request that ends with a problem instead of an answer.

    Attributes:
        code: a key of `PROBLEMS`, or of the table of checks' errors (answered with 422).
        detail: what happened this time, a sentence.
        errors: every invalid field.
        headers: further headers of the answer.
        extra: members of `ProblemView` that few have.
    """

    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> ProblemKind:
        """Its row of the table."""
        return kind_of(self.code)

    def to_json(self) -> bytes:
        """The problem as RFC 9457 has it."""
        kind = self.kind
        view = ProblemView(
            type=f"/docs/problems/{kind.code}",
            title=kind.title,
            status=kind.status,
            detail=self.detail,
            code=kind.code,
            errors=self.errors,
            **self.extra,
        )
        return msgspec.json.encode(view)

    def all_headers(self) -> dict[str, str]:
        """The headers that go with it."""
        retry_after_s = self.kind.retry_after_s
        return {**({} if retry_after_s is None else {"Retry-After": str(retry_after_s)}), **self.headers}


def kind_of(code: str) -> ProblemKind:
    """The row of `code`. A reason why a check has no count is a 422 where it is seen before there is a check."""
    known = PROBLEMS.get(code)
    if known is not None:
        return known
    error = ERRORS[code]
    return ProblemKind(code, 422, error.sentence.rstrip("."), error.hint)


def of_status(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for an HTTP status that the web framework came up with."""
    code = _BY_STATUS.get(status, "bad_request" if status < 500 else "internal")
    return Problem(code, _DETAILS.get(status, reason), headers=headers or {})

"""One operation of the API: what it takes, and with what it can answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from services.gateway.openapi import parameters, schemas
from services.gateway.openapi.answers import JSON, Answer, problems

OF_ALL: Final = (
    "bad_request",
    "cross_site_request",
    "request_timeout",
    "uri_too_long",
    "unknown_host",
    "invalid_request",
    "headers_too_large",
    "internal",
    "too_many_connections",
)
"""Problems that any request can end with. What nobody takes as a parameter is refused everywhere."""
OF_BODIES: Final = ("invalid_json", "body_too_large", "unsupported_media_type")
OF_READING: Final = ("database_unavailable",)
OF_CHANGES: Final = (*OF_BODIES, "refused", "not_committed", "too_many_waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A form in which the body of a request may come.

    Attributes:
        of: its JSON, or the fields of a form; a schema for what is neither.
        media_type: its type.
        examples: by their names.
    """

    of: type | Mapping[str, Any]
    media_type: str = JSON
    examples: Mapping[str, Any] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Its Media Type Object."""
        schema = schemas.ref(self.of) if isinstance(self.of, type) else dict(self.of)
        found: dict[str, Any] = {"schema": schema}
        if self.examples:
            found["examples"] = {name: {"value": value} for name, value in self.examples.items()}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    Attributes:
        id: stable name, for programs that are made of the document.
        tag: what it belongs to.
        summary: in a few words.
        description: what else is to be known.
        parameters: names of those in `parameters.components`, in this order.
        query: type whose fields are the query parameters.
        bodies: in which forms there can be one.
        body_required: whether it has to be there.
        answers: to a request that was done.
        problems: codes of what can go wrong, besides what can everywhere.
    """

    method: Literal["get", "post", "delete"]
    path: str
    id: str
    tag: Literal["Checks", "Batches", "Service"]
    summary: str
    description: str
    parameters: Sequence[str] = ()
    query: type | None = None
    bodies: Sequence[Body] = ()
    body_required: bool = True
    answers: Sequence[Answer]
    problems: Iterable[str] = ()

    def described(self) -> dict[str, Any]:
        """Its Operation Object."""
        found: dict[str, Any] = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "parameters": [parameters.ref(name) for name in (*self.parameters, "X-Request-Id")],
        }
        if self.query is not None:
            found["parameters"] = parameters.of_query(self.query) + found["parameters"]
        if self.bodies:
            content = {body.media_type: body.described() for body in self.bodies}
            found["requestBody"] = {"required": self.body_required, "content": content}
        done = {str(answer.status): answer.described() for answer in self.answers}
        found["responses"] = done | problems([*OF_ALL, *self.problems])
        return found


def with_id(operation: str, place: str) -> dict[str, Any]:
    """A Link Object: an operation, with the id that stands at a place of the answer."""
    return {"operationId": operation, "parameters": {"id": f"$response.body#/{place}"}}

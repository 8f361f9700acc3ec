"""What an operation can answer, as OpenAPI's Response Objects: what was asked for, and problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from services.gateway.inputs import MAX_REQUEST_ID_CHARS
from services.gateway.openapi import schemas
from services.gateway.problems import CONTENT_TYPE, ProblemView, kind_of

JSON: Final = "application/json"
_HEADERS: Final = "#/components/headers/"
_MADE_BY: Final[Mapping[str, Sequence[str]]] = {
    "not_committed": ("Location",),
    "unsupported_media_type": ("Accept-Post", "Accept-Encoding"),
}
"""Headers of some problems, besides Retry-After."""

HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "The name of this request in the logs: the caller's own, or else one made up.",
        "required": True,
        "schema": {"type": "string", "pattern": f"^[!-~]{{1,{MAX_REQUEST_ID_CHARS}}}$"},
    },
    "Location": {
        "description": "Where the check or the batch is.",
        "schema": {"type": "string", "pattern": "^/api/v1/(checks|batches)/[0-9a-f-]{36}$"},
    },
    "Preference-Applied": {
        "description": "`wait=` and the seconds that were granted, where some were asked for (RFC 7240).",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
    },
    "Retry-After": {
        "description": "Seconds after which it makes sense to try again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Content-Disposition": {
        "description": "A name for the file (RFC 6266).",
        "required": True,
        "schema": {"type": "string", "pattern": "^attachment; filename="},
    },
    "Link": {"description": "Where to go on (RFC 8288).", "schema": {"type": "string"}},
    "ETag": {"description": "Names this very content.", "schema": {"type": "string", "pattern": '^"[0-9a-f]+"$'}},
    "Accept-Post": {
        "description": "Media types that are taken (Linked Data Platform 1.0 §7.1).",
        "schema": {"type": "string"},
    },
    "Accept-Encoding": {
        "description": "Encodings of a body that are taken (RFC 9110 §12.5.3).",
        "schema": {"type": "string"},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a request that was done.

    Attributes:
        status: of HTTP.
        description: when it is given, and what it means.
        of: type of its JSON; None where it has no body, and `Any` of an object that is described elsewhere.
        texts: media types in which it has a body that is no single JSON value.
        holding: type of the JSON values that such a body holds, one after the other.
        headers: names in `HEADERS`, besides those of every answer.
        examples: by their names.
        links: OpenAPI's Link Objects, by their names.
    """

    status: int
    description: str
    of: Any = None
    texts: Sequence[str] = ()
    holding: type | None = None
    headers: Sequence[str] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Its Response Object."""
        found: dict[str, Any] = {"description": self.description, "headers": _refs(self.headers)}
        if self.of is not None:
            schema = {"type": "object"} if self.of is Any else schemas.ref(self.of)
            media: dict[str, Any] = {"schema": schema}
            if self.examples:
                media["examples"] = {name: {"value": value} for name, value in self.examples.items()}
            found["content"] = {JSON: media}
        if self.texts:
            text: dict[str, Any] = {"type": "string"}
            if self.holding is not None:
                text |= {"contentMediaType": JSON, "contentSchema": schemas.ref(self.holding)}
            found["content"] = {name: {"schema": text} for name in self.texts}
        if self.links:
            found["links"] = dict(self.links)
        return found


def problems(codes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The Response Objects of problems with these codes, by status."""
    kinds = sorted({kind_of(code) for code in codes}, key=lambda kind: (kind.status, kind.code))
    return {
        str(status): _problem(status, [kind.code for kind in alike])
        for status, alike in groupby(kinds, key=lambda kind: kind.status)
    }


def name_of_problem(answer: Mapping[str, Any]) -> str:
    """A name for one of these Response Objects: its codes."""
    schema = answer["content"][CONTENT_TYPE]["schema"]
    return ".".join(schema["allOf"][1]["properties"]["code"]["enum"])


def _problem(status: int, codes: Sequence[str]) -> dict[str, Any]:
    kinds = [kind_of(code) for code in codes]
    names = [name for code in codes for name in _MADE_BY.get(code, ())]
    if any(kind.retry_after_s is not None for kind in kinds):
        names.append("Retry-After")
    narrowed = {
        "type": {"enum": [f"/docs/problems/{code}" for code in codes]},
        "status": {"const": status},
        "code": {"enum": list(codes)},
    }
    return {
        "description": "\n".join(f"- `{kind.code}`: {kind.title}. {kind.hint}" for kind in kinds),
        "headers": _refs(names),
        "content": {CONTENT_TYPE: {"schema": {"allOf": [schemas.ref(ProblemView), {"properties": narrowed}]}}},
    }


def _refs(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"{_HEADERS}{name}"} for name in ("X-Request-Id", *names)}

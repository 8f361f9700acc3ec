"""The document as a whole."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec

from services.gateway.openapi import answers, parameters, schemas
from services.gateway.openapi.operations import OPERATIONS
from shared.version import VERSION

_INTRODUCTION: Final = """
Counts words on web pages, and keeps a record of every page that it was asked about.

- Names are in `snake_case`, ids are UUIDs, times are RFC 3339 in UTC.
- `null` means not known, or that it does not apply. A count that does not exist is never shown as 0.
- Unknown fields and query parameters are refused (422). Answers may get further fields: ignore those you don't know.
- What goes wrong is answered with problem details (RFC 9457): `code` says of which kind it is, `errors` names all
  invalid fields.
- A method that an address does not have is a 405 `method_not_allowed` with `Allow`; other addresses are a 404
  `not_found`.
- Wherever there is a GET, there is a HEAD.
"""


def make() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the API."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = operation.described()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wordwatch",
            "version": VERSION,
            "summary": "Counts words on web pages",
            "description": _INTRODUCTION.strip(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "servers": [{"url": "/", "description": "This gateway."}],
        "tags": [
            {"name": "Checks", "description": "Count words on a page once."},
            {"name": "Batches", "description": "Count words on many pages, with every line accounted for."},
            {"name": "Service", "description": "The state of wordwatch itself."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "parameters": parameters.components(),
            "responses": _shared(paths),
            "headers": dict(answers.HEADERS),
        },
        "security": [],
    }


def _shared(paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Puts references where several operations have the same problem as an answer; returns what these lead to."""
    places = [
        (responses, status)
        for item in paths.values()
        for operation in item.values()
        for responses in (operation["responses"],)
        for status in responses
        if status >= "400"
    ]
    counted = Counter(msgspec.json.encode(responses[status]) for responses, status in places)
    found: dict[str, Any] = {}
    for responses, status in places:
        answer = responses[status]
        if counted[msgspec.json.encode(answer)] > 1:
            name = answers.name_of_problem(answer)
            found[name] = answer
            responses[status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(found.items()))

"""What a request can have besides its body, as OpenAPI's Parameter Objects."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from services.gateway import inputs
from services.gateway.openapi import schemas

Parameter = dict[str, Any]

_HEADERS: Final[dict[str, Any]] = {
    "Prefer": inputs.Prefer,
    "Idempotency-Key": inputs.IdempotencyKey,
    "X-Request-Id": inputs.RequestId,
    "If-None-Match": inputs.IfNoneMatch,
    "Last-Event-ID": inputs.LastEventId,
}


def components() -> dict[str, Parameter]:
    """Those that several operations take, by name."""
    id_ = schemas.of_value(UUID)
    return {
        "id": _parameter("id", "path", id_ | {"description": "Id of the check."}),
        "batchId": _parameter("id", "path", id_ | {"description": "Id of the batch."}),
        **{name: _parameter(name, "header", schemas.of_value(type_)) for name, type_ in _HEADERS.items()},
    }


def ref(name: str) -> Parameter:
    """A reference to one of them."""
    return {"$ref": f"#/components/parameters/{name}"}


def of_query(type_: type) -> list[Parameter]:
    """The query parameters that are the fields of a struct."""
    return [_parameter(name, "query", schema) for name, schema in schemas.properties(type_).items()]


def _parameter(name: str, place: Literal["path", "query", "header"], schema: dict[str, Any]) -> Parameter:
    kept = {key: value for key, value in schema.items() if key not in {"description", "examples"}}
    parameter: Parameter = {"name": name, "in": place, "required": place == "path", "schema": kept}
    if "description" in schema:
        parameter["description"] = schema["description"]
    if "examples" in schema:
        parameter["examples"] = {f"example {n}": {"value": value} for n, value in enumerate(schema["examples"], 1)}
    return parameter

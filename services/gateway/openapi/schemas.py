"""JSON Schemas (2020-12, as OpenAPI 3.1 has them) of the API's types."""

from __future__ import annotations

import inspect
from typing import Any, Final

import msgspec

from services.gateway.batches.inputs import (
    BATCH_STATUSES,
    EXPORT_FORMATS,
    LINE_STATES,
    RETRIED,
    BatchInput,
    RetryInput,
)
from services.gateway.batches.views import BatchList, BatchView, LineList, RetriedView
from services.gateway.events.views import Event
from services.gateway.inputs import SCOPES, STATUSES, CheckInput
from services.gateway.problems import ProblemView
from services.gateway.stats import Stats
from services.gateway.views import AttemptList, CheckList, CheckView, VersionView

Schema = dict[str, Any]

PLACE: Final = "#/components/schemas/"
TYPES: Final = (
    *(CheckInput, CheckView, CheckList, AttemptList, RetryInput, RetriedView),
    *(BatchInput, BatchView, BatchList, LineList),
    *(Stats, Event, VersionView, ProblemView),
)
NAMES: Final = {
    "CheckInput": "NewCheck",
    "BatchInput": "NewBatch",
    "BatchView": "Batch",
    "LineView": "Line",
    "RetryInput": "RetriedChecks",
    "RetriedView": "Retry",
    "CheckView": "Check",
    "AttemptView": "Attempt",
    "ErrorView": "NoCount",
    "SnippetView": "Snippet",
    "VersionView": "Version",
    "ProblemView": "Problem",
}
"""What callers call some types; others go by their own names."""
_OF_BATCHES: Final[tuple[tuple[str, ...], ...]] = (BATCH_STATUSES, LINE_STATES, EXPORT_FORMATS, RETRIED)
_ORDERS: Final = {frozenset(values): list(values) for values in (SCOPES, STATUSES, *_OF_BATCHES)}


def components() -> dict[str, Schema]:
    """The schemas of `TYPES` and of all that these are made of, by name."""
    _, found = msgspec.json.schema_components(TYPES, ref_template=f"{PLACE}{{name}}")
    return {_named(name): _tidied(schema) | {"title": _named(name)} for name, schema in found.items()}


def ref(type_: type) -> Schema:
    """A reference to the schema of one of them."""
    return {"$ref": f"{PLACE}{_named(type_.__name__)}"}


def properties(type_: type) -> dict[str, Schema]:
    """The schemas of the fields of a struct that has no others inside."""
    schema = msgspec.json.schema(type_)["$defs"][type_.__name__]
    return {name: _tidied(each) for name, each in schema["properties"].items()}


def of_value(type_: Any) -> Schema:
    """The schema of a plain type."""
    tidied: Schema = _tidied(msgspec.json.schema(type_))
    return tidied


def _named(name: str) -> str:
    return NAMES.get(name, name)


def _tidied(value: Any) -> Any:
    """The same schema: with our names, descriptions without indentation, and enumerations in the order they have."""
    if isinstance(value, list | tuple):
        return [_tidied(each) for each in value]
    if not isinstance(value, dict):
        return value
    tidied = {name: _tidied(each) for name, each in value.items()}
    match tidied:
        case {"$ref": str(place)}:
            tidied["$ref"] = f"{PLACE}{_named(place.removeprefix(PLACE))}"
        case {"enum": list(values)}:
            tidied = {"type": "string"} | tidied | {"enum": _ORDERS.get(frozenset(values), values)}
    if isinstance(tidied.get("description"), str):
        tidied["description"] = inspect.cleandoc(tidied["description"])
    return tidied

"""The OpenAPI document: well-formed, complete, and no other than what is sent and taken."""

import ast
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import services.gateway
from services.gateway.inputs import CheckInput
from services.gateway.middlewares import REFUSALS
from services.gateway.openapi import document
from services.gateway.openapi.operation import OF_CHANGES
from services.gateway.openapi.operations import OPERATIONS
from services.gateway.problems import PROBLEMS, Problem, kind_of
from services.gateway.requests import check_request, list_request
from shared.wording import is_empty_query
from tests.described import DOCUMENT, ELSEWHERE, resolved, validator, validator_of

FOLDER = Path(__file__).parent / "api"
METHODS = ("get", "post", "delete")
GOLDEN = {
    "check-queued": "Check",
    "check-retried": "Check",
    "check-failed": "Check",
    "check-done": "Check",
    "attempts": "AttemptList",
    "stats": "Stats",
    "problem": "Problem",
}


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield method, path, operation


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(each)


def _golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def _classes() -> Iterator[Any]:
    for module in _modules():
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__:
                yield kind


def _modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(services.gateway.__path__, "services.gateway."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def test_it_is_the_same_each_time_and_is_json() -> None:
    assert json.loads(json.dumps(document.make())) == DOCUMENT


def test_it_is_openapi_3_1() -> None:
    # The official meta-schema (spec.openapis.org/oas/3.1/schema), which schemathesis brings along.
    definitions = importlib.import_module("schemathesis.specs.openapi.definitions")
    jsonschema_rs.validator_for(definitions.OPENAPI_31).validate(DOCUMENT)


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_schemas_are_json_schema(name: str) -> None:
    jsonschema_rs.meta.validate(DOCUMENT["components"]["schemas"][name])
    validator_of(name)


def test_references_lead_somewhere_and_nothing_is_left_over() -> None:
    references = {part["$ref"] for part in _parts(DOCUMENT) if isinstance(part.get("$ref"), str)}
    for reference in references:
        assert resolved({"$ref": reference})
    there = {f"#/components/{kind}/{name}" for kind, found in DOCUMENT["components"].items() for name in found}
    assert there == references


def test_ids_of_operations_are_unique_and_links_lead_to_them() -> None:
    ids = [operation["operationId"] for _, _, operation in _operations()]
    assert len(set(ids)) == len(ids)
    links = [link for part in _parts(DOCUMENT) for link in (part.get("links") or {}).values() if "operationId" in link]
    assert {link["operationId"] for link in links} <= set(ids)
    assert links


def test_every_route_of_the_api_is_described_and_nothing_else() -> None:
    routes: set[tuple[str, str]] = set()
    for kind in _classes():
        if "routes" in vars(kind):
            found = kind.routes(object.__new__(kind))  # handlers need what they are given; routes do not
            routes |= {(each.method.lower(), each.path) for each in found or () if isinstance(each, web.RouteDef)}
    described = {(method, path) for method, path, _ in _operations()}
    routes = {(method, path) for method, path in routes if path.startswith("/api/") and method != "*"}  # those refuse
    assert routes == described


def test_everything_is_explained() -> None:
    for _, _, operation in _operations():
        assert operation["summary"]
        assert operation["description"]
    for kind in ("parameters", "headers"):
        for name, part in DOCUMENT["components"][kind].items():
            assert part["description"], name
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema["description"], name
        assert "Attributes:" not in schema["description"]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_sent_is_as_described(name: str) -> None:
    golden = _golden(name)
    validator_of(GOLDEN[name]).validate(golden)
    described = DOCUMENT["components"]["schemas"][GOLDEN[name]]["properties"]
    assert set(golden) <= set(described)
    assert set(described) - set(golden) <= {"id"}  # of a problem, which few have


@pytest.mark.parametrize("name", ["Check", "CheckList", "AttemptList", "Stats", "Version", "Problem"])
def test_answers_may_grow(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    assert "additionalProperties" not in schema
    assert not validator_of(name).is_valid({})


def test_examples_are_what_they_are_examples_of() -> None:
    found = 0
    for part in _parts(DOCUMENT):
        if not isinstance(part.get("examples"), dict):
            continue
        for example in part["examples"].values():
            if set(example) == {"value"}:
                validator(part["schema"]).validate(example["value"])
                found += 1
    assert found > 20


def test_every_problem_is_of_some_operation() -> None:
    described = {
        (int(status), code)
        for _, _, operation in _operations()
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in _codes(answer)
    }
    assert all(kind_of(code).status == status for status, code in described)
    assert {code for _, code in described} - set(PROBLEMS) == {"invalid_url"}
    assert set(PROBLEMS) - {code for _, code in described} == set(ELSEWHERE.values()) - {"not_found"}


def _codes(answer: Any) -> list[str]:
    (content,) = resolved(answer)["content"].values()
    codes: list[str] = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
    return codes


def test_every_problem_that_the_program_knows_of_is_in_the_table() -> None:
    raised = set()
    for module in _modules():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                code = node.args[0] if node.args else None
                raised |= {code.value} if isinstance(code, ast.Constant) else set()
    assert raised
    assert {str(code) for code in raised} <= set(PROBLEMS)


def test_every_outcome_that_is_refused_is_of_an_operation_that_changes_something() -> None:
    changing = [operation for operation in OPERATIONS if set(OF_CHANGES) <= set(operation.problems)]
    assert {code for code, _ in REFUSALS.values()} <= {code for each in changing for code in each.problems}
    assert {(each.method, each.id) for each in OPERATIONS if each.method != "get"} == {
        (each.method, each.id) for each in changing
    }


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
fields: dict[str, st.SearchStrategy[Any]] = {
    "url": st.sampled_from(["example.org", "http://example.org/" + "x" * 2029, "h" * 2049, "", "mailto:a@b", "//"]),
    "words": st.lists(st.text(max_size=3) | st.sampled_from(["x" * 200, "x" * 201, "a\0b", " ", "\u200b"]), max_size=4)
    | st.sampled_from([["w"] * 1000, ["w"] * 1001]),
    "scope": st.sampled_from(["text", "source", "Text", ""]),
    "whole_word": st.booleans() | st.sampled_from(["true", 1, 0]),
    "case_sensitive": st.booleans(),
    "label": st.none() | st.text(max_size=3) | st.sampled_from(["l" * 200, "l" * 201, "\0"]),
}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies of which each field is right, nearly so, missing, or anything."""
    body: dict[str, Any] = {"url": "example.org"}
    for name in draw(st.sets(st.sampled_from(sorted(fields)))):
        body[name] = draw(fields[name] | anything if draw(st.integers(0, 3)) == 0 else fields[name])
    if draw(st.integers(0, 9)) == 0:
        del body["url"]
    if draw(st.integers(0, 9)) == 0:
        body[draw(st.text(max_size=5))] = draw(anything)
    return body


@given(bodies())
def test_what_the_schema_refuses_is_refused_and_what_it_takes_is_taken(body: dict[str, Any]) -> None:
    refused = None
    try:
        check_request(body)
    except Problem as problem:
        refused = problem
    if not validator_of("NewCheck").is_valid(body):
        assert refused is not None, body
    elif refused is not None:  # for what the schema has in words only
        words = body.get("words", [])
        blank = any(is_empty_query(word, body.get("scope", "text")) for word in words)
        assert {error.pointer.split("/")[1] for error in refused.errors} <= {"url", *(["words"] if blank else [])}, body


def test_the_defaults_that_are_described_apply() -> None:
    described = DOCUMENT["components"]["schemas"]["NewCheck"]["properties"]
    defaults = {name: schema["default"] for name, schema in described.items() if "default" in schema}
    assert set(defaults) == set(CheckInput.__struct_fields__) - {"url"}
    assert check_request({"url": "a"} | defaults) == check_request({"url": "a"})


def _query_parameters() -> list[dict[str, Any]]:
    parameters = DOCUMENT["paths"]["/api/v1/checks"]["get"]["parameters"]
    return [each for each in map(resolved, parameters) if each["in"] == "query"]


def _around(schema: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Values at the limits of a parameter, and whether they are in them."""
    for name, inside in (("minimum", 1), ("maximum", -1)):
        if name in schema:
            yield str(schema[name]), True
            yield str(schema[name] - inside), False
            yield f"{schema[name]}.0", False
    if "enum" in schema:
        yield from ((value, True) for value in schema["enum"])
        yield schema["enum"][0].upper(), False
    if "maxLength" in schema:
        yield "x" * schema["maxLength"], True
        yield "x" * (schema["maxLength"] + 1), False
    if schema.get("minLength"):
        yield "", False
    if schema.get("pattern"):
        yield "a\0", False
    if schema.get("format") in {"uuid", "date-time", "cursor", "host-or-suffix"}:
        yield "/", schema["format"] == "cursor"


@pytest.mark.parametrize("parameter", _query_parameters(), ids=lambda parameter: str(parameter["name"]))
def test_query_parameters_have_the_limits_described(parameter: dict[str, Any]) -> None:
    tried = list(_around(parameter["schema"])) + [
        (str(each["value"]), True) for each in parameter.get("examples", {}).values()
    ]
    assert tried
    for value, fine in tried:
        if fine:
            list_request([(parameter["name"], value)])
        else:
            with pytest.raises(Problem, match=f"/{parameter['name']}"):
                list_request([(parameter["name"], value)])

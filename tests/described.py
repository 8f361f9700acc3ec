"""What the OpenAPI document says of an answer, and whether that is so."""

import functools
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from services.gateway.openapi import document

DOCUMENT = document.make()
ELSEWHERE = {404: "not_found", 405: "method_not_allowed"}
"""Answers of no operation: the address or the method is none of the API's."""


def resolved(part: Any) -> Any:
    """What a reference within the document leads to; the part itself if it is none."""
    while isinstance(part, Mapping) and "$ref" in part:
        found: Any = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


@functools.cache
def validator_of(name: str) -> jsonschema_rs.Validator:
    """A validator of what is named so under `components/schemas`."""
    return validator({"$ref": f"#/components/schemas/{name}"})


def validator(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """A validator of a schema that refers to others of the document."""
    root = {"components": DOCUMENT["components"], **schema}
    return jsonschema_rs.Draft202012Validator(root, validate_formats=True)


def operation_of(method: str, path: str) -> Any:
    """The operation that a request is one of; None if there is none."""
    # A path without variables is the one that is meant (OpenAPI 3.1 §4.8.8.2).
    for template, item in sorted(DOCUMENT["paths"].items(), key=lambda each: each[0] != path):
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path):
            return item.get("get" if method == "HEAD" else method.lower())
    return None


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Asserts that an answer is one that the document tells of.

    Args:
        headers: whose names may be written in any case.
        body: decoded; None where there is none.
    """
    asked = f"{method} {path}: {status}"
    operation = operation_of(method, path)
    if operation is None:
        assert body is None or body["code"] == ELSEWHERE[status], asked
        return
    answers = operation["responses"]
    assert str(status) in answers, f"{asked} is not described"
    answer = resolved(answers[str(status)])
    for name, header in answer["headers"].items():
        described = resolved(header)
        assert name in headers or not described.get("required"), f"{asked} has no {name}"
        if name in headers:
            given = int(headers[name]) if described["schema"]["type"] == "integer" else headers[name]
            validator(described["schema"]).validate(given)
    if body is None:
        return
    media_type = headers["Content-Type"].partition(";")[0]
    assert media_type in answer["content"], asked
    _validate(asked, answer["content"][media_type]["schema"], body)


def _validate(asked: str, schema: Mapping[str, Any], body: Any) -> None:
    try:
        validator(schema).validate(body)
    except jsonschema_rs.ValidationError as error:
        raise AssertionError(f"{asked}: {error}") from None

"""docs/openapi.md, made from the OpenAPI document: `python -m services.gateway.openapi.page` prints it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from services.gateway.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABOUT: Final = """\
# The API, field by field

Made from `services/gateway/openapi/` by `make openapi`: change that, not this page. The same stands in the OpenAPI
document that a gateway serves at `/api/v1/openapi.json`. [The API](api.md) has examples of each request, and
[a table](api.md#when-it-goes-wrong) of the problems, of which only the codes are named here.
"""
_ALL: Final = """\
## All requests

Each takes the header `X-Request-Id`: {request_id}

Each may come to one of these problems, which are not named again below: {problems}.
"""
_NO_PATTERN_WORTH_SAYING: Final = r"^[^\u0000]*$"
_FIRST_PROBLEM: Final = "400"
_OBJECTS: Final = """
## Objects

What bodies are made of. An answer has every field of its object, but for those that are there *at times*.\
"""
_BOUNDS: Final = {
    "minimum": "{} or more",
    "maximum": "at most {}",
    "minItems": "{} or more",
    "maxItems": "at most {}",
    "maxLength": "at most {} characters",
}
_NAMES: Final = {"string": "text", "date-time": "time", "uuid": "UUID", "uri-reference": "address", "binary": "file"}


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join(_Page(document.make()).lines()) + "\n"


class _Page:
    def __init__(self, described: dict[str, Any]) -> None:
        self._described = described
        problems = [self._problems(operation) for item in described["paths"].values() for operation in item.values()]
        self._everywhere = [each for each in problems[0] if all(each in others for others in problems)]

    def lines(self) -> Iterator[str]:
        yield _ABOUT
        yield self._described["info"]["description"]
        yield ""
        request_id = self._described["components"]["parameters"]["X-Request-Id"]
        yield _ALL.format(request_id=request_id["description"], problems=_said(self._everywhere)).rstrip()
        for tag in self._described["tags"]:
            yield from ("", f"## {tag['name']}", "", tag["description"])
            for path, item in self._described["paths"].items():
                for method, operation in item.items():
                    if tag["name"] in operation["tags"]:
                        yield from self._operation(method.upper(), path, operation)
        yield _OBJECTS
        for name, schema in self._described["components"]["schemas"].items():
            yield from self._object(name, schema)

    def _problems(self, operation: dict[str, Any]) -> list[tuple[str, str]]:
        """The statuses and codes of what may go wrong."""
        return [
            (status, code)
            for status, answer in operation["responses"].items()
            if status >= _FIRST_PROBLEM
            for code in re.findall(r"^- `(\w+)`:", self._resolved(answer)["description"], re.MULTILINE)
        ]

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
        yield from ("", f"### {method} {path}", "", f"**{operation['summary']}.** {operation['description']}")
        parameters = [self._resolved(each) for each in operation["parameters"]]
        parameters = [each for each in parameters if each["name"] != "X-Request-Id"]
        if parameters:
            yield from ("", "| parameter | in | takes | what it is |", "|---|---|---|---|")
        for each in parameters:
            needed = ", required" if each["required"] else ""
            what = _cell(each.get("description", ""))
            yield f"| `{each['name']}` | {each['in']}{needed} | {self._takes(each['schema'])} | {what} |"
        if "requestBody" in operation:
            yield from self._body(operation["requestBody"]["content"])
        yield from ("", "| answer | body | when |", "|---|---|---|")
        for status, answer in operation["responses"].items():
            if status < _FIRST_PROBLEM:
                yield self._answer(status, self._resolved(answer))
        further = [each for each in self._problems(operation) if each not in self._everywhere]
        if further:
            yield from ("", f"Problems: {_said(further)}.")

    def _body(self, content: dict[str, Any]) -> Iterator[str]:
        yield from ("", "| body | |", "|---|---|")
        for media_type, body in content.items():
            schema = body["schema"]
            said = self._takes(schema) if "$ref" in schema or "type" in schema else _example(body)
            yield f"| `{media_type}` | {said} |"

    def _answer(self, status: str, answer: dict[str, Any]) -> str:
        content = answer.get("content", {})
        bodies = ", ".join(
            self._takes(body["schema"]) if media_type == "application/json" else f"`{media_type}`"
            for media_type, body in content.items()
        )
        return f"| {status} | {bodies or 'none'} | {_cell(answer['description'])} |"

    def _object(self, name: str, schema: dict[str, Any]) -> Iterator[str]:
        yield from (
            "",
            f"### {name}",
            "",
            schema.get("description", ""),
            "",
            "| field | is | what it is |",
            "|---|---|---|",
        )
        is_asked = schema.get("additionalProperties") is False  # only what is sent to the gateway is that strict
        for field, kind in schema["properties"].items():
            is_required = field in schema.get("required", ())
            said = (", required" if is_required else "") if is_asked else ("" if is_required else ", at times")
            yield f"| `{field}` | {self._takes(kind)}{said} | {_cell(kind.get('description', ''))} |"

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = part
        if "$ref" in part:
            found = self._described
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[step]
        return found

    def _takes(self, schema: dict[str, Any]) -> str:
        """What a value may be, in words."""
        match schema:
            case {"$ref": str(place)}:
                name = place.rpartition("/")[2]
                said = f"[{name}](#{name.lower()})"
            case {"anyOf": [*choices]}:
                said = " or ".join(self._takes(each) for each in choices)
            case {"enum": [*choices]}:
                said = " or ".join(f"`{choice}`" for choice in choices)
            case {"type": "array"}:
                said = f"list of {self._takes(schema.get('items', {'type': 'object'}))}"
            case {"properties": {**fields}}:
                said = "fields " + ", ".join(f"`{name}`" for name in fields)
            case {"additionalProperties": dict()}:
                said = f"object of {self._takes(schema['additionalProperties'])} by name"
            case {"type": str(kind)}:
                said = _NAMES.get(schema.get("format", ""), _NAMES.get(kind, kind))
            case _:
                said = "anything"
        return _cell(f"{said}{_bounds(schema)}")


def _said(problems: list[tuple[str, str]]) -> str:
    by_status = {status: [code for other, code in problems if other == status] for status, _ in problems}
    return "; ".join(f"{status} {', '.join(f'`{code}`' for code in codes)}" for status, codes in by_status.items())


def _bounds(schema: dict[str, Any]) -> str:
    said = [text.format(f"{schema[key]:,}") for key, text in _BOUNDS.items() if key in schema]
    if schema.get("pattern", _NO_PATTERN_WORTH_SAYING) != _NO_PATTERN_WORTH_SAYING:
        said.append(f"like `{schema['pattern']}`")
    if schema.get("default") is not None:
        said.append(f"default `{json.dumps(schema['default'], ensure_ascii=False)}`")
    return f" ({', '.join(said)})" if said else ""


def _example(body: dict[str, Any]) -> str:
    examples = [str(each["value"]) for each in body.get("examples", {}).values()]
    lines = examples[0].strip().splitlines() if examples else []
    return "for example " + ", then ".join(f"`{line}`" for line in lines) if lines else ""


def _cell(text: str) -> str:
    """A text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    print(page(), end="")

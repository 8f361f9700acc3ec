"""docs/messages.md, made from the table of topics: `python -m shared.messages_page` prints it."""

import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from shared import topics


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Messages"
    yield ""
    yield "Made from `shared/topics.py` and `shared/messages/` by `make messages`: change those, not this page."
    yield ""
    yield "| topic | what it carries | published by | durable channels |"
    yield "|---|---|---|---|"
    for topic in topics.ALL:
        channels = ", ".join(f"`{channel}`" for channel in topic.channels) or "one ephemeral channel per reader"
        kinds = ", ".join(f"[{kind.__name__}](#{kind.__name__.lower()})" for kind in _kinds(topic.message))
        yield f"| `{topic.name}` | {topic.about}: {kinds} | {', '.join(topic.publishers)} | {channels} |"
    yield ""
    yield "All messages are JSON; times are RFC 3339 in UTC, ids are UUIDv7. A field that has its default is left out."
    for kind in _all_kinds():
        yield from _section(kind)


def _section(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield ""
    yield f"## {kind.__name__}"
    yield ""
    yield (kind.__doc__ or "").strip()
    yield ""
    yield "| field | type | default |"
    yield "|---|---|---|"
    tag = kind.__struct_config__.tag
    if tag is not None:
        yield f'| `{kind.__struct_config__.tag_field}` | `"{tag}"` | always |'
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        yield f"| `{field.name}` | {_type_name(hints[field.name])} | {_default(field)} |"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        return f"`{msgspec.json.encode(field.default).decode()}`"
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{msgspec.json.encode(field.default_factory()).decode()}`"
    return "required"


def _type_name(hint: Any) -> str:
    if isinstance(hint, type) and not typing.get_args(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})" if issubclass(hint, msgspec.Struct) else hint.__name__
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(hint))
    names = [_type_name(each) for each in typing.get_args(hint) if each not in (type(None), ...)]
    origin = typing.get_origin(hint)
    if origin is tuple:
        return f"list of {names[0]}"
    if origin is dict:
        return f"object of {names[1]} by {names[0]}"
    return " or ".join([*names, "null"])


def _kinds(message: Any) -> tuple[type[msgspec.Struct], ...]:
    return typing.get_args(message) or (message,)


def _all_kinds() -> list[type[msgspec.Struct]]:
    """The messages of all topics in the table's order, each followed by the parts it is the first to use."""
    found: list[type[msgspec.Struct]] = []

    def add(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind in found:
                return
            found.append(kind)
            for hint in typing.get_type_hints(kind).values():
                add(hint)
        for part in typing.get_args(kind):
            add(part)

    for topic in topics.ALL:
        for kind in _kinds(topic.message):
            add(kind)
    return found


if __name__ == "__main__":
    print(page(), end="")

"""docs/settings.md, made from the settings: `python -m shared.settings_page` prints it."""

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from shared.settings import Settings, variable

_ABOUT = """\
# Settings

Made from `shared/settings.py` by `make settings`: change that, not this page.

Settings are environment variables, the same for `make run` (also as `make run WORDWATCH_PORT=9000`), for
[Docker Compose](docker.md#settings) (in `.env`) and for a service that is started by itself. An empty one counts as
unset. One that can't be used stops the start, with a sentence that says what would do; a name that begins with
`WORDWATCH_` and is none of these is told of, as it is most likely misspelt.

The defaults of ports are moved by `WORDWATCH_PORT_OFFSET`, all of them alike. `python -m shared.settings` prints every
setting with the value that it has where it is run.

| variable | default | takes | what it is |
|---|---|---|---|
"""
_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    tuple[str, ...]: "a list, with commas",
}


def page() -> str:
    """The whole page, as Markdown."""
    return _ABOUT + "".join(f"{row}\n" for row in _rows())


def _rows() -> Iterator[str]:
    kinds = typing.get_type_hints(Settings)
    for field in dataclasses.fields(Settings):
        cells = (f"`{variable(field.name)}`", _default(field), _takes(kinds[field.name], field), field.metadata["doc"])
        yield f"| {' | '.join(cells)} |"


def _default(field: "dataclasses.Field[Any]") -> str:
    value: Any = field.default
    if value is None or value == ():
        return "unset"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _takes(kind: Any, field: "dataclasses.Field[Any]") -> str:
    if field.metadata["port"]:
        return "a port"
    kind = next((one for one in typing.get_args(kind) if type(None) in typing.get_args(kind)), kind)
    if typing.get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(kind))
    least = field.metadata["least"]
    return _KINDS[kind] + ("" if least is None else f", {least:,} or more")


if __name__ == "__main__":
    print(page(), end="")

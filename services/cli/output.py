"""What a person or a program is told: results on standard output, everything else on standard error.

A terminal gets colours and bars. What is no terminal gets plain lines of any length, and never an escape code.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import IO, Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from services.cli import render
from services.cli.outcomes import ApiError, Unreachable

_WIDE: Final = 100_000
"""Columns where nobody looks: no line is cut or broken."""
# JSON may hold them as they are, but some of them mean something to a terminal.
_CONTROLS: Final = re.compile("[\x7f-\x9f\u2028\u2029]")


class Output:
    """Where a command tells what it has found.

    Args:
        as_json: the API's JSON, one document a line, instead of text.
    """

    def __init__(self, *, as_json: bool, stdout: IO[str] | None = None, stderr: IO[str] | None = None) -> None:
        self.as_json = as_json
        self._stdout = sys.stdout if stdout is None else stdout
        stderr = sys.stderr if stderr is None else stderr
        self.out, self.err = _console(self._stdout), _console(stderr)

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks at the results."""
        return self.out.is_terminal

    def document(self, value: Any) -> None:
        """Writes one JSON document, in one line, at once."""
        text = json.dumps(value, ensure_ascii=False)
        self._stdout.write(_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")
        self._stdout.flush()

    def show(self, *parts: RenderableType) -> None:
        """Writes text and tables."""
        _write(self.out, parts)

    def tell(self, value: Any, *parts: RenderableType) -> None:
        """Writes `value` for programs, or `parts` for people."""
        if self.as_json:
            self.document(value)
        else:
            self.show(*parts)

    def say(self, text: str) -> None:
        """Writes a remark, on standard error; it may have several lines."""
        _write(self.err, [Text(render.clean(line)) for line in text.split("\n")])

    def problem(self, error: ApiError | Unreachable, page: str | None = None) -> None:
        """Tells what went wrong: as a document where documents were asked for, otherwise on standard error."""
        if self.as_json:
            self.document(error.problem)
        elif isinstance(error, ApiError):
            _write(self.err, [render.problem(error.problem, error.hint, page)])
        else:
            _write(self.err, [render.unreachable(error)])

    def complain(self, text: str) -> None:
        """Tells what is wrong with the command itself."""
        _write(self.err, [Text.assemble(("error: ", "bold red"), render.clean(text))])


def _console(stream: IO[str]) -> Console:
    is_terminal = stream.isatty()
    # Said outright, since rich would look for FORCE_COLOR and the like in the environment.
    return Console(
        file=stream,
        force_terminal=is_terminal,
        width=None if is_terminal else _WIDE,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _write(console: Console, parts: Sequence[RenderableType]) -> None:
    if console.is_terminal:
        for part in parts:
            # The terminal breaks lines of text, so that one can be copied whole.
            console.print(part, soft_wrap=isinstance(part, str | Text))
        return
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    # A table fills its cells with blanks, which a terminal does not show and a file keeps.
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().removesuffix("\n").split("\n")))
    console.file.flush()

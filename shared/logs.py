"""Logging: one line per event, JSON for programs or text for people, cheap enough to tell of every check.

structlog collects what is told, and all that libraries log through `logging` comes out in the same form. A line is
rendered here in one go instead of by a chain of processors, which took ten times as long. Whatever a line is made of,
it stays one line, its terminal does nothing odd, and it shows no secret.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, Literal

import msgspec
import structlog

from shared.redaction import Redactor

Form = Literal["auto", "console", "json"]
Render = Callable[[dict[str, Any]], str]

MAX_VALUE_CHARS: Final = 4_000
MAX_TRACEBACK_CHARS: Final = 20_000
MAX_ITEMS: Final = 100
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_COLOURS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN: Final = frozenset({str, int, bool, float, type(None)})
# What a terminal, or whoever splits text into lines, would act on: control characters, separators of lines, and marks
# that turn the direction of writing. U+D800 to U+DFFF are no characters at all.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_BARE: Final = re.compile(r"[\w.:/@%+,~#&?;*()\[\]-]+", re.ASCII)
_encode: Final = msgspec.json.Encoder().encode


def configure(
    *,
    service: str,
    instance: str,
    form: Form = "auto",
    level: str = "info",
    hide: Redactor | None = None,
    count: Callable[[str], None] = lambda _level: None,
    stream: BinaryIO | None = None,
) -> None:
    """Sets up logging for this process.

    Args:
        service: stands in each line, as does `instance`.
        instance: see there.
        form: `auto` is for people on a terminal, JSON elsewhere.
        level: the least that is logged.
        hide: takes out what must not be shown.
        count: told the level of each line.
        stream: where to; standard error by default.
    """
    stream = stream or sys.stderr.buffer
    console = form == "console" or (form == "auto" and stream.isatty())
    render: Render = _Console(colours=stream.isatty()) if console else _json
    lines = _Lines(service, instance, render, hide or Redactor(), count, stream)
    structlog.configure(
        processors=[lines.process],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(lines)]
    root.setLevel(_LEVELS[level])
    logging.captureWarnings(True)


class _Lines:
    """Renders and writes lines; also the logger that structlog hands them to."""

    def __init__(
        self,
        service: str,
        instance: str,
        render: Render,
        hide: Redactor,
        count: Callable[[str], None],
        stream: BinaryIO,
    ) -> None:
        self._service = service
        self._instance = instance
        self._render = render
        self._hide = hide
        self._count = count
        self._stream = stream

    def process(self, _logger: Any, method: str, told: MutableMapping[str, Any]) -> str:
        """The last and only processor."""
        level = "error" if method == "exception" else method
        error = told.pop("exc_info", None)
        line = self._begun(level, told.pop("event", ""))
        line |= structlog.contextvars.get_contextvars()
        line |= told
        return self.finished(level, line, error)

    def foreign(self, record: logging.LogRecord) -> None:
        """Writes what a library has told `logging`."""
        try:
            event = record.getMessage()
        except Exception as error:  # an edge: whatever its arguments do, a library's line must not end us
            event = f"{record.msg!r} ({type(error).__name__} in its arguments)"
        level = record.levelname.lower()
        line = self._begun(level, event) | structlog.contextvars.get_contextvars() | {"logger": record.name}
        self.msg(self.finished(level, line, record.exc_info))

    def _begun(self, level: str, event: object) -> dict[str, Any]:
        return {
            "timestamp": datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z",
            "level": level,
            "service": self._service,
            "instance": self._instance,
            "event": event,
        }

    def finished(self, level: str, line: dict[str, Any], error: object) -> str:
        """The line as text, without its end."""
        self._count(level)
        if error:
            line["exception"] = _traceback(error)
        for name, value in line.items():
            kind = type(value)
            if kind not in _PLAIN or (kind is str and len(value) > MAX_VALUE_CHARS):
                line[name] = _plain(value, MAX_TRACEBACK_CHARS if name == "exception" else MAX_VALUE_CHARS)
        text = self._render(line)
        if self._hide.suspects(text):
            text = self._render({name: self._without_secrets(value) for name, value in line.items()})
        return text

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._hide(value)
        return [self._without_secrets(each) for each in value] if isinstance(value, list) else value

    def msg(self, text: str) -> None:
        """Writes a line. A full disk or a reader that has gone must not end what the line tells of."""
        with suppress(OSError, ValueError):
            self._stream.write(text.encode() + b"\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


class _Foreign(logging.Handler):
    """Takes what libraries log."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging` for each line."""
        self._lines.foreign(record)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _json(line: dict[str, Any]) -> str:
    try:
        text = _encode(line).decode()
    except UnicodeEncodeError:  # it refuses lone surrogates
        text = json.dumps(line, ensure_ascii=False)
    return text if text.isascii() and "\x7f" not in text else _UNSAFE.sub(_escape, text)


class _Console:
    """Lines for people."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, line: dict[str, Any]) -> str:
        rest = dict(line)
        level, event, error = rest.pop("level"), str(rest.pop("event")), rest.pop("exception", "")
        begin = f"{rest.pop('timestamp')} {level:<8}"
        if self._colours:
            begin = f"{_COLOURS.get(level, '')}{begin}\x1b[0m"
        parts = [begin, f"{_UNSAFE.sub(_escape, event):<30}"]
        parts += [f"{_shown(name)}={_shown(value)}" for name, value in rest.items()]
        # Each line of a traceback is set off, so that none of them can pass for a line of the log.
        parts += [f"\n    | {_UNSAFE.sub(_escape, part)}" for part in error.splitlines()]
        return " ".join(parts)


def _shown(value: Any) -> str:
    text = value if type(value) is str else str(value)
    return text if _BARE.fullmatch(text) else _UNSAFE.sub(_escape, json.dumps(text, ensure_ascii=False))


def _plain(value: Any, most: int) -> Any:
    """A value as JSON can hold it: in its own words (`repr` or `str`) where it is none of JSON's types."""
    if isinstance(value, list | tuple | set | frozenset):
        shown = [_plain(each, most) if type(each) not in _PLAIN else each for each in list(value)[:MAX_ITEMS]]
        return shown if len(str(shown)) <= most else _plain(str(shown), most)
    if isinstance(value, Mapping):
        return _plain(str(dict(value)), most)
    text = value if isinstance(value, str) else repr(value) if isinstance(value, BaseException) else str(value)
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _traceback(error: object) -> str:
    if isinstance(error, BaseException):
        return "".join(traceback.format_exception(error)).rstrip()
    kind, value, where = error if isinstance(error, tuple) else sys.exc_info()
    return "".join(traceback.format_exception(kind, value, where)).rstrip()

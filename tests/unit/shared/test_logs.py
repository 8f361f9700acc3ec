"""What a line of the log may be made of, and what must never come of it."""

import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shared import logs
from shared.messages import Idempotency
from shared.redaction import Redactor

NASTY = (
    "a\nb",
    "a\r\nb",
    '2026-01-01T00:00:00Z info     forged\n{"level":"error","event":"forged"}',
    "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "\x9b31m and \x85 and \x7f",
    "\u2028\u2029\u202egnp.exe\u2066\ufeff",
    "\udce4\ud800 lone",
    "quote\" back\\slash 'single' =x check=other",
    "nul\0nul",
)
# Besides the ends of lines, what a terminal acts on or what turns the direction of writing.
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

Configure = Callable[..., io.BytesIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures logging into a buffer; all is as it was afterwards."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def into_buffer(**options: Any) -> io.BytesIO:
        stream = io.BytesIO()
        logs.configure(service="trial", instance="trial-1", stream=stream, **options)
        return stream

    yield into_buffer
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def logged(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().decode().splitlines()]


@pytest.mark.parametrize("nasty", NASTY)
def test_whatever_is_logged_is_one_line_of_json_that_holds_it(configure: Configure, nasty: str) -> None:
    stream = configure(form="json")
    structlog.get_logger().info(nasty, url=nasty, **{nasty: nasty})
    text = stream.getvalue().decode()
    assert not DANGEROUS.search(text)
    assert text.count("\n") == 1
    (line,) = logged(stream)
    assert (line["event"], line["url"], line[nasty], line["level"]) == (nasty, nasty, nasty, "info")


@pytest.mark.parametrize("nasty", NASTY)
def test_whatever_is_logged_is_one_line_for_people(configure: Configure, nasty: str) -> None:
    stream = configure(form="console")
    structlog.get_logger().info(nasty, url=nasty, **{nasty: nasty})
    text = stream.getvalue().decode()
    assert not DANGEROUS.search(text)
    assert text.count("\n") == 1


def test_a_value_can_not_pass_for_another_name(configure: Configure) -> None:
    stream = configure(form="console")
    structlog.get_logger().info("request", path='/x check=1 "', host="example.org:80")
    assert stream.getvalue().decode().endswith(' path="/x check=1 \\"" host=example.org:80\n')


@pytest.mark.parametrize("form", ["json", "console"])
@given(text=st.text(max_size=50))
def test_no_text_breaks_a_line(form: logs.Form, text: str) -> None:
    stream = io.BytesIO()
    render = logs._json if form == "json" else logs._Console(colours=False)
    lines = logs._Lines("trial", "trial-1", render, Redactor(), lambda _: None, stream)
    lines.msg(lines.process(None, "info", {"event": text, "value": text, text or "x": 1}))
    written = stream.getvalue().decode()
    assert written.count("\n") == 1
    assert len(written.splitlines()) == 1
    assert not DANGEROUS.search(written)


def test_no_line_of_a_traceback_passes_for_a_line_of_the_log(configure: Configure) -> None:
    error = ValueError("gone\n2026-01-01T00:00:00Z info     forged\x1b[2J")
    stream = configure(form="console")
    structlog.get_logger().error("failed", exc_info=error)
    first, *rest = stream.getvalue().decode().splitlines()
    assert "failed" in first
    assert any("ValueError: gone" in line for line in rest)
    assert all(line.lstrip(" ").startswith("| ") for line in rest)
    assert "\x1b" not in stream.getvalue().decode()
    stream = configure(form="json")
    structlog.get_logger().error("failed", exc_info=error)
    assert logged(stream)[0]["exception"].endswith("forged\x1b[2J")


def test_a_line_says_where_and_when_it_comes_from_and_what_it_belongs_to(configure: Configure) -> None:
    counted: list[str] = []
    stream = configure(form="json", count=counted.append)
    at, id_ = datetime(2026, 1, 2, tzinfo=UTC), UUID(int=5)
    with structlog.contextvars.bound_contextvars(trace="t-1"):
        structlog.get_logger("any").warning("it happened", at=at, check=id_, parts=[id_, 1], none=None)
    structlog.get_logger().debug("not at this level")
    (line,) = logged(stream)
    assert list(line)[:5] == ["timestamp", "level", "service", "instance", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert line["trace"] == "t-1"
    assert (line["at"], line["check"], line["parts"], line["none"]) == (str(at), str(id_), [str(id_), 1], None)
    assert counted == ["warning"]


def test_what_libraries_log_has_the_same_form(configure: Configure) -> None:
    stream = configure(form="json")
    log = logging.getLogger("some.library")
    log.warning("a %s\nb", "thing")
    log.info("%d", "no number")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old\nfashioned", stacklevel=1)
    log.error("failed", exc_info=OSError("gone"))
    first, second, third, last = logged(stream)
    assert (first["event"], first["logger"], first["level"]) == ("a thing\nb", "some.library", "warning")
    assert "%d" in second["event"]
    assert "old" in third["event"]
    assert last["exception"].endswith("OSError: gone")


def test_a_line_is_bounded(configure: Configure) -> None:
    stream = configure(form="json")
    structlog.get_logger().error(
        "long", text="x" * 10**6, many=["y"] * 10**5, each=["w" * 10**4] * 9, exc_info=ValueError("z" * 10**6)
    )
    assert len(stream.getvalue()) < 40_000
    assert logged(stream)[0]["exception"].startswith("ValueError: zzz")


def test_a_log_that_can_not_be_written_ends_nothing(configure: Configure) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    configure(form="json")
    logs.configure(service="trial", instance="trial-1", form="json", stream=Full())
    structlog.get_logger().error("lost")
    logging.getLogger("library").error("lost")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_logged(configure: Configure, form: logs.Form) -> None:
    secret = "geheim/\"wort'\\1"
    stream = configure(form=form, hide=Redactor([secret, "geheimwort"]))
    log = structlog.get_logger()
    log.info(f"connecting to postgres://me:{secret}@db/x", other=f"'{secret}'", many=[secret, "geheimwort"])
    log.warning("redirected", to="http://user:pa@ss@example.org/x?y", error=OSError("see ftp://joe:geheim@h"))
    log.error("failed", exc_info=RuntimeError(f"with {secret}\nDETAIL:  Failing row contains (geheimwort, geheim)."))
    logging.getLogger("library").error("sent %s", secret)
    log.info("command", idempotency=Idempotency(key="geheimer Schluessel", digest="abc"))
    text = stream.getvalue().decode()
    assert "geheim" not in text
    assert "pa@ss" not in text
    assert "example.org/x?y" in text

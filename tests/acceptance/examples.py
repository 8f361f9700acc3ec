"""The examples of a Markdown page: found, run as they stand, and what came back compared with what the page says.

A page is its fenced blocks in order: `sh` runs anywhere, `shell` in the folder of the project (terminal.py), `python`
in one session of the whole page, and `http`, `json` or `text` is the answer to the block before it. In an answer,
`"…": "…"` stands for further members, `…` in a text for anything, and what differs from one time to the next (ids,
times, durations) only has to be of the same kind.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from deploy.local import launcher

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAID = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
_MORE = "…"
_GATEWAY_PORT = 8080
# What a text has that differs from one time to the next.
_CHANGING = (
    _UUID,
    re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"),
    re.compile(r"\d+ ms\b"),
    re.compile(r"\bfetcher-[\w.-]+"),
)
_FIGURES = frozenset({"checks", "due", "topics", "rate_per_s", "fetchers", "hosts", "timings_ms"})
"""Members whose values nobody can foretell, and those of what is in them."""


class Block(NamedTuple):
    """A fenced block; `line` is that of its first line in `page`."""

    page: str
    line: int
    language: str
    text: str
    answer: "Block | None"

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """The blocks that run, each with the answer that the page shows for it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        block = Block(page, text.count("\n", 0, match.start()) + 2, match[1], match[2], None)
        if block.language in {"http", "json", "text"}:
            assert found[-1].answer is None, f"{block}: a second answer"
            found[-1] = found[-1]._replace(answer=block)
        else:
            found.append(block)
    return found


@dataclass
class Answer:
    """What came back. `status` and `headers` are there when the example shows them (curl -i)."""

    body: str
    status: int | None = None
    headers: Mapping[str, str] | None = None


def parse(text: str) -> Answer:
    """Reads what curl printed, or what a page shows of it."""
    text = text.replace("\r\n", "\n")
    if not text.startswith("HTTP/"):
        return Answer(text)
    head, _, body = text.partition("\n\n")
    first, *rest = head.strip().splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    return Answer(body, int(first.split()[1]), headers)


class Session:
    """A person at a terminal, who goes through a page from its top to its end.

    Args:
        folder: where they are.
        ports: those that the page names, and those that are meant here.
    """

    def __init__(self, folder: Path, ports: Mapping[int, int]) -> None:
        self._folder = folder
        self._ports = ports
        self._names: dict[str, Any] = {}
        self._id = ""
        (folder / ".curlrc").write_text('write-out = "%{stderr}%{http_code}\\n"\nshow-error\nmax-time = 60\n')

    def run(self, block: Block) -> None:
        """Runs one block.

        Raises:
            AssertionError: it fails, or its outcome is not what the page says.
        """
        if block.language == "python":
            self._run_python(block)
        elif re.search(r"^(.* \| )?wordwatch ", block.text, re.MULTILINE):
            self._run_program(block)
        else:
            self._run_shell(block)

    def _run_python(self, block: Block) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = compile("\n" * (block.line - 1) + self._here(block.text), block.page, "exec")
            exec(code, self._names)  # noqa: S102 - that is what it is for
        assert printed.getvalue().splitlines() == _SAID.findall(block.text), f"{block}: {printed.getvalue()}"

    def _run_shell(self, block: Block) -> None:
        environ = {"PATH": os.environ["PATH"], "CURL_HOME": str(self._folder), "ID": self._id}
        script = self._here(block.text)
        ran = subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=self._folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == 0, f"{block}: {ran.stderr}"
        status = [*map(int, ran.stderr.split())][-1]  # of several requests, the last one is what it was about
        answer = parse(ran.stdout)
        expected = parse(self._here(block.answer.text)) if block.answer else None
        wanted = (expected and expected.status) or status
        assert status == wanted, f"{block}: {ran.stdout}"
        assert expected is None or expected.status or status < 300, f"{block}: {status}"
        if expected is not None:
            differences = list(compare(expected, answer))
            assert not differences, f"{block}: {differences}\n{ran.stdout}"
        with contextlib.suppress(ValueError, TypeError, KeyError):
            self._id = json.loads(answer.body)["id"]

    def _run_program(self, block: Block) -> None:
        """Runs what uses the program `wordwatch`; the first id that it prints is `$ID` from then on."""
        program = self._folder / launcher.NAME
        launcher.write(Path(sys.executable), program)
        port = self._ports[_GATEWAY_PORT]
        environ = {
            "PATH": f"{self._folder}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "ID": self._id,
            "WORDWATCH_SERVER": f"localhost:{port}",
            "WORDWATCH_PORT_OFFSET": str(port - _GATEWAY_PORT),
        }
        ran = subprocess.run(
            ["sh", "-eu", "-c", self._here(block.text)],
            cwd=self._folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == 0, f"{block}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        if block.answer is not None:
            assert is_told(self._here(block.answer.text), ran.stdout), f"{block}:\n{ran.stdout}"
        found = _UUID.search(ran.stdout)
        self._id = found[0] if found else self._id

    def _here(self, text: str) -> str:
        for written, meant in self._ports.items():
            # Not \b in front: the \n that printf is given ends with a letter.
            text = re.sub(rf"(?<![\d.])(localhost|127\.0\.0\.1):{written}\b", rf"\1:{meant}", text)
        return text


def is_told(said: str, came: str) -> bool:
    """Whether a text came as a page says it."""
    for number, changing in enumerate(_CHANGING):
        said, came = changing.sub(f"<{number}>", said), changing.sub(f"<{number}>", came)
    return re.fullmatch(".*".join(map(re.escape, said.strip().split(_MORE))), came.strip(), re.DOTALL) is not None


def compare(expected: Answer, came: Answer) -> Iterator[str]:
    """What differs from what a page says, one line for each."""
    for name, value in (expected.headers or {}).items():
        got = (came.headers or {}).get(name)
        if got is None or _UUID.sub("ID", got) != _UUID.sub("ID", value):
            yield f"{name}: {value!r} said, {got!r} came"
    if expected.body.strip():
        yield from _compare(json.loads(expected.body), json.loads(came.body), "", figures=False)
    elif came.body.strip():
        yield f"no body said, {came.body!r} came"


def _compare(said: Any, came: Any, place: str, *, figures: bool) -> Iterator[str]:
    match said, came:
        case {}, {}:
            yield from _compare_objects(said, came, place, figures=figures)
        case [*_], [*_]:
            if not figures and len(said) != len(came):
                yield f"{place}: {len(said)} items said, {len(came)} came"
            for number, (one, other) in enumerate(zip(said, came, strict=False)):
                yield from _compare(one, other, f"{place}/{number}", figures=figures)
        case _ if not _is_alike(said, came, place.rpartition("/")[2], figures=figures):
            yield f"{place}: {said!r} said, {came!r} came"


def _compare_objects(said: dict[str, Any], came: dict[str, Any], place: str, *, figures: bool) -> Iterator[str]:
    missing = said.keys() - came.keys() - {_MORE}
    unsaid = set() if _MORE in said else came.keys() - said.keys()
    if missing or unsaid:
        yield f"{place}: {sorted(missing)} did not come, {sorted(unsaid)} came unsaid"
    for name in said.keys() & came.keys():
        yield from _compare(said[name], came[name], f"{place}/{name}", figures=figures or name in _FIGURES)


def _is_alike(said: Any, came: Any, name: str, *, figures: bool) -> bool:
    """Whether a value is the one that was said, or of its kind where it can't be the same twice."""
    for pattern in (_UUID, _TIME):
        if isinstance(said, str) and pattern.fullmatch(said):
            return isinstance(came, str) and pattern.fullmatch(came) is not None
    if figures:
        return said is None or came is None or type(said) is type(came)
    if name == "duration_ms":
        return isinstance(came, int)
    if name == "fetcher":
        return isinstance(came, str)
    if (name, said) == ("status", "queued"):  # it may have begun, or ended, by the time it was looked at
        return came in {"queued", "running", "done"}
    return type(said) is type(came) and said == came

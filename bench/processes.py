"""Programs beside the stack: started, measured and ended."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.integration.servers import eventually

ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Iterable[int]) -> float:
    """Processor time that processes and all below them have used so far, in seconds; Linux."""
    return sum(_own_cpu_s(each) for pid in pids for each in tree(pid))


def _own_cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS  # with that of children it has waited for


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


class Program:
    """One program with its output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    async def line(self, start: str, *, within_s: float) -> str:
        """The rest of the next line of its output that begins so.

        Raises:
            TimeoutError: there was none in time.
            EOFError: it has ended.
        """
        assert self.process.stdout is not None
        async with asyncio.timeout(within_s):
            while line := await self.process.stdout.readline():
                if line.startswith(start.encode()):
                    return line.decode().removeprefix(start).strip()
        raise EOFError(f"{start} was not said")


@asynccontextmanager
async def running(
    *command: str, env: Mapping[str, str] | None = None, quiet: bool = True, merged: bool = False
) -> AsyncIterator[Program]:
    """Runs a program until the block ends, in a group of its own, so that nothing of it stays.

    Args:
        command: the program and its arguments.
        env: added to this process's environment.
        quiet: what it says on standard error is dropped.
        merged: that is read like standard output, where some programs' workers have theirs.
    """
    errors = asyncio.subprocess.STDOUT if merged else asyncio.subprocess.DEVNULL if quiet else None
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


async def listening(host: str, port: int, *, what: str, within_s: float = 10.0) -> None:
    """Waits until something takes connections there."""

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.close()
        return True

    await eventually(answers, timeout_s=within_s, what=what)

"""One reading child, as its fetcher sees it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from services.fetcher.counting import Question
from services.fetcher.reading import wire
from services.fetcher.reading.deaths import Death
from services.fetcher.reading.limits import Limits, busy_s, peak_of

_ROOT = Path(__file__).parents[3]
_TAKEN_WITHIN_S = 10.0  # starting takes 0.2 s on a quiet machine
_REAPED_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.005
_GRACE_S = 2.0
_STDERR = 2


class NotBegun(Exception):
    """The child ended, or was not there in time, before it had taken over the page."""


class Stuck(Exception):
    """The child did not end at its time limit, as if somebody had stopped it."""


class Died(Exception):
    """The child died while it had the page."""

    def __init__(self, death: Death) -> None:
        super().__init__(str(death))
        self.death = death


class Child:
    """A process that reads one page at a time. Whoever starts one calls `kill` and `reap` in the end."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._death: Death | None = None

    @classmethod
    def start(cls, path: str, memory_bytes: int) -> Self:
        """Starts one, in a session of its own: signals to the fetcher's group are not meant for it.

        Call it from the main thread: the child is bound to the life of the thread that starts it.

        Raises:
            OSError: the system has no room for another process.
        """
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "services.fetcher.reading.child", path, str(memory_bytes)]
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdin=theirs.fileno(), stdout=_STDERR, cwd=_ROOT, start_new_session=True
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it seems to live."""
        return self._death is None and (self._streams is None or not self._streams[0].at_eof())

    async def ask(
        self, body: bytes, content_type: str | None, question: Question, *, limits: Limits, wall_s: float
    ) -> wire.Answer:
        """Has one page read. After any exception the child is of no more use.

        Raises:
            NotBegun: see there.
            Died: see there.
            Stuck: see there.
        """
        task = wire.Task(content_type, question, limits.cpu_s, wall_s)
        try:
            async with asyncio.timeout(_TAKEN_WITHIN_S):
                reader, writer = await self._open()
                writer.write(wire.pack(task, body))
                writer.write(body)  # by itself: 10 MB need not be copied
                await writer.drain()
                begun = await wire.hear(reader)
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise NotBegun(repr(error)) from error
        busy_before_s = busy_s(self.pid)
        try:
            async with asyncio.timeout(wall_s + _GRACE_S):
                answer = await wire.hear(reader)
        except TimeoutError as error:
            raise Stuck from error
        except (asyncio.IncompleteReadError, OSError) as error:
            busy_now_s = busy_s(self.pid)
            death = await self.reap()
            if death.peak_bytes <= begun.peak_bytes:
                death = replace(death, peak_bytes=0)  # it took no more than it, or this process, had before
            if busy_before_s is not None and busy_now_s is not None:
                death = replace(death, busy_s=busy_now_s - busy_before_s)
            raise Died(death) from error
        if isinstance(answer, wire.Begun):
            raise TypeError("the child began twice")
        return answer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(sock=self._channel)
        return self._streams

    def kill(self) -> None:
        """Ends it at once."""
        if self._death is None:
            self._signal_kill()
        if self._streams is not None:
            self._streams[1].transport.abort()
        else:
            self._channel.close()

    def _signal_kill(self) -> None:
        """SIGKILL, without what `Popen.kill` does before: that would take how it ended from `reaped`."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def reaped(self) -> Death | None:
        """How it ended; None while it lives."""
        if self._death is None:
            try:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            except ChildProcessError:  # it is gone, and the system has forgotten how: SIGCHLD is ignored here
                self._process.returncode = -signal.SIGKILL
                self._death = Death(self._process.returncode, peak_bytes=0, cpu_s=0.0)
                return self._death
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self._death = Death(self._process.returncode, peak_of(usage), usage.ru_utime + usage.ru_stime)
        return self._death

    async def reap(self) -> Death:
        """Waits until it has ended; one that only let go of its socket is killed."""
        loop = asyncio.get_running_loop()
        kill_at_s = loop.time() + _REAPED_WITHIN_S
        while (death := self.reaped()) is None:
            if loop.time() >= kill_at_s:
                self._signal_kill()
            await asyncio.sleep(_LOOK_EVERY_S)
        return death

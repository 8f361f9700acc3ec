"""Real nsqd and nsqlookupd for tests, and a TCP proxy that fails as networks do.

    async with Nsqd() as nsqd:
        ...                      # nsqd.tcp, nsqd.http: `host:port`
        await nsqd.kill()
        await nsqd.start()       # on the same ports, with the same data

The programs come from the setting WORDWATCH_TOOLS, or else from `tools` in WORDWATCH_HOME. A program that is missing
fails the test.
"""

import asyncio
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError

from shared import settings

HOST = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.01
# Below the ports that the system gives to outgoing connections: a stopped server's port stays free for its restart.
# Test processes that run side by side have ports of their own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 6
_PORTS = range(20_000 + 2_000 * _WORKER, 22_000 + 2_000 * _WORKER)
_given: set[int] = set()
# Reads until our end of the pipe closes, for whatever reason. $0: process id, $1: folder.
_GUARDIAN = 'read -r _; kill -9 "$0"; rm -rf "$1"'


def tool(name: str) -> Path:
    """The path of a built program.

    Raises:
        FileNotFoundError: It is not there.
    """
    path = (settings.from_environment().tools_dir / "bin" / name).resolve()
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: build the tools, or set WORDWATCH_TOOLS")
    return path


def free_port() -> int:
    """A port that nobody listens on, and that nobody was given who may listen on it yet."""
    while True:
        port = random.choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            _given.add(port)
            return port


async def eventually(
    condition: Callable[[], Any], *, timeout_s: float = 10.0, what: str = "", every_s: float = _LOOK_EVERY_S
) -> None:
    """Waits until `condition`, a function without arguments, returns something true (or awaits to it).

    Raises:
        AssertionError: It did not within `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what or condition}"
        await asyncio.sleep(every_s)


class _Server:
    """One program with a folder of its own, on ports that stay the same over restarts."""

    name: str

    def __init__(self) -> None:
        self.tcp_port = free_port()
        self.http_port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"wordwatch-{self.name}-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def tcp(self) -> str:
        return f"{HOST}:{self.tcp_port}"

    @property
    def http(self) -> str:
        return f"{HOST}:{self.http_port}"

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return (self.folder / "log").read_text(errors="replace")

    def arguments(self) -> Sequence[str]:
        raise NotImplementedError

    async def start(self) -> None:
        """Starts it and waits until it answers."""
        self._launch()
        await eventually(self._answers, timeout_s=START_TIMEOUT_S, what=f"{self.name} answers")

    def _launch(self) -> None:
        with (self.folder / "log").open("ab") as output:
            self._process = subprocess.Popen(
                [tool(self.name), *self.arguments()], stdout=output, stderr=output, start_new_session=True
            )
        self._guardian = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDIAN, str(self._process.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended:\n{self.log}"
        return await asyncio.to_thread(self._pings)

    def _pings(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.http}/ping", timeout=1) as answer:
                return bool(answer.read() == b"OK")
        except (URLError, OSError):
            return False

    async def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ends it in order (SIGTERM)."""
        await self._end(signal.SIGTERM)

    async def restart(self) -> None:
        """Kills it and starts it again, with its data."""
        await self.kill()
        await self.start()

    async def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        assert self._guardian is not None
        assert self._guardian.stdin is not None
        self._guardian.kill()
        self._guardian.stdin.close()
        await asyncio.to_thread(self._guardian.wait)
        self._process.send_signal(how)
        await asyncio.to_thread(self._process.wait, STOP_TIMEOUT_S)
        self._process = self._guardian = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def freeze(self) -> None:
        """Stops the process without ending it (SIGSTOP); none of its threads runs any more when this returns."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def thaw(self) -> None:
        """Lets it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        """Kills it and removes all it left."""
        await self.kill()
        shutil.rmtree(self.folder)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Nsqlookupd(_Server):
    """A real nsqlookupd."""

    name = "nsqlookupd"

    def arguments(self) -> Sequence[str]:
        return (f"-tcp-address={self.tcp}", f"-http-address={self.http}", f"-broadcast-address={HOST}")


class Nsqd(_Server):
    """A real nsqd, with the options that wordwatch runs it with; `options` are added and win."""

    name = "nsqd"

    def __init__(self, *options: str, lookupds: Sequence[Nsqlookupd] = ()) -> None:
        super().__init__()
        self.data = self.folder / "data"
        self.data.mkdir()
        self._options = options
        self._lookupds = lookupds

    def arguments(self) -> Sequence[str]:
        return (
            f"-tcp-address={self.tcp}",
            f"-http-address={self.http}",
            f"-broadcast-address={HOST}",
            f"-data-path={self.data}",
            "-mem-queue-size=0",
            "-sync-timeout=100ms",
            "-max-msg-size=4194304",
            "-max-body-size=8388608",
            *(f"-lookupd-tcp-address={lookupd.tcp}" for lookupd in self._lookupds),
            *self._options,
        )

    def wipe(self) -> None:
        """Removes its data, while it is down."""
        shutil.rmtree(self.data)
        self.data.mkdir()


class TcpProxy:
    """Forwards connections to a server; can hold everything back, reset, or reset inside an answer.

    Attributes:
        connections: Accepted so far.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._flow = asyncio.Event()
        self._flow.set()
        self._cut_after: int | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = free_port()
        self.connections = 0

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def freeze(self) -> None:
        """Forwards nothing more, in either direction; all sockets stay open, new ones are accepted."""
        self._flow.clear()

    def thaw(self) -> None:
        """Forwards again, first what was held back."""
        self._flow.set()

    def reset(self) -> None:
        """Breaks every connection off with a TCP RST."""
        for client in list(self._clients):
            self._break_off(client)

    def reset_after(self, count: int) -> None:
        """Breaks the connection off with a RST once `count` more bytes have gone to its client."""
        self._cut_after = count

    def _break_off(self, client: asyncio.StreamWriter) -> None:
        raw: socket.socket = client.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.thaw()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        self.connections += 1
        try:
            await self._forward(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy is closed; asyncio would report the cancellation as an error
        finally:
            self._tasks.discard(task)
            self._clients.discard(writer)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flow.wait()
        try:
            answers, upstream = await asyncio.open_connection(*self._target)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream))
                group.create_task(self._pump_back(answers, writer))
        except* OSError:
            pass  # one side left
        finally:
            upstream.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flow.wait()
            sink.write(data)
            await sink.drain()
        await self._flow.wait()
        sink.write_eof()

    async def _pump_back(self, source: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flow.wait()
            if self._cut_after is not None and len(data) >= self._cut_after:
                client.write(data[: self._cut_after])
                await client.drain()
                self._cut_after = None
                self._break_off(client)
                raise ConnectionResetError
            if self._cut_after is not None:
                self._cut_after -= len(data)
            client.write(data)
            await client.drain()
        await self._flow.wait()
        client.write_eof()

"""What it takes to be a service: settings, logs, an ops port, supervised tasks, and an orderly end on SIGTERM.

`app.py` of each service hands `main` one coroutine that builds its parts, runs until `Service.stopping` is set, and
puts them down again in order.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import prometheus_client
import structlog
import uvloop

from shared import logs, loop_watch, ops, settings
from shared.db.connect import DatabaseError
from shared.loop_watch import LoopWatch
from shared.metrics import ServiceMetrics
from shared.redaction import Redactor, secrets_of
from shared.version import VERSION
from shared.web.serving import CannotListenError

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 28.0
"""The run contract says 30 s from SIGTERM to the end; past this the process gives up what it holds."""
EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2


T = TypeVar("T")


class _StoppedEarly(Exception):
    """SIGTERM came while the service was still starting."""


class Service:
    """One running process: what `app.py` needs of its surroundings.

    Attributes:
        needs: what it can't work without, each with a question whether it is there.
        stopping: set when the service has to end.
        on_turn: called about four times a second while the event loop turns.
    """

    def __init__(self, name: str, config: settings.Settings) -> None:
        self.name = name
        self.config = config
        self.instance = f"{name}-{socket.gethostname().split('.')[0][:32]}-{os.getpid()}"
        self.registry = prometheus_client.CollectorRegistry()
        self.stopping = asyncio.Event()
        self.needs: dict[str, Callable[[], bool]] = {}
        self.on_turn: Callable[[], None] = lambda: None
        self.metrics = ServiceMetrics(self.registry, self.readiness)
        self._failure: BaseException | None = None
        self._failed_task: str | None = None
        self._ending = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def supervise(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs a task that must not end before the service does: its death stops the service, with exit code 1."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        wanted = self.stopping.is_set() or self._ending
        if task.cancelled() and wanted:
            return
        # Cancelled by nobody of ours: it waited for something that was, and has ended all the same.
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("task died", task=task.get_name(), exc_info=error)
        elif not wanted:
            log.error("task ended before the service", task=task.get_name(), cancelled=task.cancelled())
            error = RuntimeError(f"task {task.get_name()} ended")
        if error is not None and self._failure is None:
            self._failure, self._failed_task = error, task.get_name()
        self.stopping.set()

    def dead(self) -> str | None:
        """What can't come back in this process, and so makes it end; None while there is nothing."""
        return None if self._failed_task is None else f"task {self._failed_task!r} has died"

    async def while_starting(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits a step of the start, which may take long; SIGTERM ends it, and the service with exit code 0."""
        step = asyncio.create_task(work)
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait({step, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                raise _StoppedEarly
            return step.result()
        finally:
            step.cancel()
            stop.cancel()

    def database_url(self) -> str:
        """The database that this service needs.

        Raises:
            settings.SettingError: none is set.
        """
        if self.config.database_url is None:
            raise settings.SettingError("WORDWATCH_DATABASE_URL is not set: say which database, as postgres://…")
        return self.config.database_url

    async def cancel_tasks(self) -> None:
        """Ends what is still supervised; called last when the parts are put down."""
        self._ending = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def readiness(self) -> dict[str, bool]:
        """Each need and whether it is met; a service that stops, or has yet to say what it needs, is not ready."""
        running = bool(self.needs) and not self.stopping.is_set()
        return {name: check() for name, check in self.needs.items()} | {"running": running}

    async def run(self, work: Callable[["Service"], Awaitable[None]]) -> int:
        """Runs `work` between opening and closing the ops port.

        Returns:
            The exit code: 0 after SIGTERM or SIGINT, 1 when something died.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        config = self.config
        app = ops.make_app(dead=self.dead, readiness=self.readiness, registry=self.registry)
        runner = await ops.start(app, host=config.ops_listen, port=config.ops_port)
        log.info("service starts", version=VERSION)
        try:
            self.supervise(LoopWatch(self.registry, on_turn=self._turn).run(), "loop watch")
            await work(self)
        except _StoppedEarly:
            log.info("service ended before it had started")
        finally:
            await self.cancel_tasks()
            await runner.cleanup()
        if self._failure is not None:
            log.error("service failed", error=repr(self._failure))
            return EXIT_FAILED
        log.info("service ended")
        return 0

    def _turn(self) -> None:
        self.on_turn()

    def _stop(self, number: int) -> None:
        log.info("service stops", signal=signal.Signals(number).name)
        self.stopping.set()


async def _end_in_time(stopping: asyncio.Event, within_s: float) -> None:
    """Whatever hangs when a service stops, by a signal or a failure, must not hold the process beyond its deadline.

    NSQ and leases recover the work.
    """
    await stopping.wait()
    await asyncio.sleep(within_s)
    os._exit(EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process may hang before it ends itself, with code 1.

    Attributes:
        stop_s: seconds from when it is to stop, told to or because something of it has died.
        stall_s: seconds without a turn of its event loop.
    """

    stop_s: float = STOP_WITHIN_S
    stall_s: float = loop_watch.STALLED_S


PATIENCE = Patience()


def main(name: str, work: Callable[[Service], Awaitable[None]], *, patience: Patience = PATIENCE) -> int:
    """Runs the service `name` in this process and returns its exit code."""
    try:
        config = settings.from_environment()
    except settings.SettingError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_BAD_SETTINGS
    # What is loaded by now stays. To look through it for garbage, again and again, took a 25th of a gateway's time.
    gc.collect()
    gc.freeze()
    return uvloop.run(_start(name, config, work, patience))


async def _start(
    name: str, config: settings.Settings, work: Callable[[Service], Awaitable[None]], patience: Patience
) -> int:
    service = Service(name, config)
    service.on_turn = partial(loop_watch.end_when_stalled, patience.stall_s)
    logs.configure(
        service=name,
        instance=service.instance,
        form=config.log_format,
        level=config.log_level,
        hide=Redactor(secrets_of(config.database_url or "")),
        count=service.metrics.count_line,
    )
    for unknown in settings.unknown_here():
        log.warning("unknown setting, misspelt?", variable=unknown)
    ending = asyncio.create_task(_end_in_time(service.stopping, patience.stop_s))
    try:
        return await service.run(work)
    except (settings.SettingError, CannotListenError, DatabaseError) as error:
        log.error(str(error))
        return EXIT_FAILED if isinstance(error, DatabaseError) else EXIT_BAD_SETTINGS
    except Exception:
        log.exception("service failed")
        return EXIT_FAILED
    finally:
        ending.cancel()
        loop_watch.may_stall()

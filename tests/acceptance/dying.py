"""A service that ends at a chosen step of handling a message, as if it had been killed there: for tests alone.

    python -m tests.acceptance.dying recorder submit_check 17

A step is each return of control to the event loop, by whatever runs on behalf of the message: the handler, every task
that it starts, and what those start. What such code has written since the step before has not left the process then
(uvloop sends it with the loop's next turn), so that the steps tell apart all that the world outside could see of it.
The end of the handling is a step, too: everything else is done, and FIN has not gone out.

It serves as a service does until it handles the kind of message given, delivered for the first time, and ends with
`os._exit` at step 17 of that. Then the next one serves, and ends at step 18, and so on, until the handling of a message
has fewer steps: that one lives. Written for the test to read: `died at step 17`, `lived, with 43 steps`.
"""

import asyncio
import contextvars
import itertools
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from ansq.tcp.types import NSQMessageSchema

from services.fetcher import app as fetcher
from services.fetcher.outbox import Outbox
from services.recorder import app as recorder
from services.recorder.handlers import Recorder
from shared.nsq.consumer import Consumer
from shared.nsq.message import Message
from shared.nsq.subscription import Subscription
from shared.service import Service, main

DIED = 70
Work = Coroutine[Any, Any, Any] | Generator[Any, None, Any]
Wanted = Callable[[Message | NSQMessageSchema], bool]
_on_behalf: contextvars.ContextVar[bool] = contextvars.ContextVar("on_behalf", default=False)


class Steps:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._taken = 0
        self._lived = False

    def step(self) -> None:
        self._taken += 1
        if self._taken == self._last and not self._lived:
            say(f"died at step {self._taken}")
            os._exit(DIED)

    def lived(self) -> None:
        """The message has been handled."""
        if not self._lived:
            self._lived = True
            say(f"lived, with {self._taken} steps")


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine whose every return to the loop, its last one included, is a step."""

    def __init__(self, work: Work, steps: Steps, counts: Callable[[], bool]) -> None:
        self._work = work
        self._steps = steps
        self._counts = counts

    def send(self, value: Any) -> Any:
        try:
            return self._work.send(value)
        finally:
            self._stepped()

    def throw(self, *error: Any) -> Any:
        try:
            return self._work.throw(*error)
        finally:
            self._stepped()

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError("only for tasks")

    def _stepped(self) -> None:
        if self._counts():
            self._steps.step()


def say(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())  # at once: nothing is flushed at the end of such a process


def count_tasks(steps: Steps) -> None:
    """Makes steps of all tasks that are started on behalf of a message."""

    def make(loop: asyncio.AbstractEventLoop, work: Work, **options: Any) -> "asyncio.Task[Any]":
        if _on_behalf.get():
            work = Stepped(work, steps, lambda: True)
        return asyncio.Task(work, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(make)


@contextmanager
def on_behalf(*, counts: bool) -> Generator[None, None, None]:
    token = _on_behalf.set(counts)
    try:
        yield
    finally:
        _on_behalf.reset(token)


def watch_recorder(wanted: Wanted, steps: Steps) -> None:
    """Counts a wanted message from the inbox to the last word about it.

    It is handled by itself, on a new connection: so it has the same steps each time, and none is left out.
    """
    handle = Recorder.handle

    async def handled(self: Recorder, taken: Sequence[Message]) -> None:
        if others := [message for message in taken if not wanted(message)]:
            await handle(self, others)
        if found := [message for message in taken if wanted(message)]:
            self._database.drop()
            with on_behalf(counts=True):
                await asyncio.create_task(handle(self, found))
            steps.lived()

    Recorder.handle = handled  # type: ignore[method-assign]


def watch_fetcher(wanted: Wanted, steps: Steps) -> None:
    """Counts from the delivery of a wanted message to its FIN, and what the outbox does meanwhile."""
    receive, handle, send = Consumer._receive, Consumer._handle, Outbox.run
    handling: list[Message] = []

    def received(self: Consumer, subscription: Subscription, frame: NSQMessageSchema) -> None:
        with on_behalf(counts=wanted(frame)):
            receive(self, subscription, frame)

    async def handled(self: Consumer, message: Message, work: Awaitable[None] | None) -> None:
        if not _on_behalf.get():
            await handle(self, message, work)
            return
        handling.append(message)
        await handle(self, message, work)
        # The step that ends this task comes first, and may be the last one.
        asyncio.get_running_loop().call_soon(steps.lived)

    async def sent(self: Outbox) -> None:
        await asyncio.Task(Stepped(send(self), steps, lambda: bool(handling)))

    Consumer._receive = received  # type: ignore[method-assign]
    Consumer._handle = handled  # type: ignore[method-assign]
    Outbox.run = sent  # type: ignore[method-assign]


def serve(kind: str, what: bytes, last: int) -> int:
    """Is the service until it ends, at step `last` or in order."""
    steps = Steps(last)
    watch, run = {"recorder": (watch_recorder, recorder.run), "fetcher": (watch_fetcher, fetcher.run)}[kind]
    watch(lambda message: message.attempts == 1 and what in message.body, steps)

    async def counted(service: Service) -> None:
        count_tasks(steps)
        await run(service)

    return main(kind, counted)


def _end_with(parent: int) -> None:
    os.read(parent, 1)  # it writes nothing: this returns when it has gone
    os._exit(1)


def serve_in_turn(kind: str, what: bytes, first: int) -> int:
    """One service after another, each in a process of its own with all modules loaded already."""
    parent, held = os.pipe()
    for last in itertools.count(first):
        pid = os.fork()
        if pid == 0:
            os.close(held)
            threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
            os._exit(serve(kind, what, last))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != DIED:
            return code
    raise AssertionError


if __name__ == "__main__":
    sys.exit(serve_in_turn(sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])))

"""Commands about batches, one after another: decode, commit, FIN, tell those who wait."""

import time
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import msgspec
import structlog

from services.recorder import faults, hints, unreadable
from services.recorder.batches import commands
from services.recorder.batches.commands import Settled
from services.recorder.batches.handing_back import HandingBack, Reason
from services.recorder.inbox import Inbox
from services.recorder.metrics import Metrics
from services.recorder.persistence import NotWanted, Persistent
from shared import messages, topics
from shared.messages import BatchCommand, FillBatch, OpenBatch
from shared.nsq.message import Message
from shared.nsq.producer import Producer

log = structlog.get_logger(__name__)

STATEMENT_TIMEOUT_S: Final = 150
"""The close of a batch of a million lines takes a good part of it on a slow disk."""
COMMIT_WITHIN_S: Final = STATEMENT_TIMEOUT_S + 20.0
LOCK_TIMEOUT_MS: Final = 500
"""Whatever a command waits for, all that come after it wait for, too. A slice of a job rarely takes as long; the close
of a large batch, whose repeat waits for it, takes far longer."""


class NotNow(Exception):
    """A command can't be applied for the time being, and nothing of it was."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class BatchRecorder:
    """Applies what its inbox holds, for ever.

    Args:
        inbox: of batch commands alone.
        producer: for hints.
        database: a connection that nobody else uses.
        metrics: the recorder's.
        handing_back: for what can't be applied just now.
        wake: called when there may be a new job.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        producer: Producer,
        database: Persistent,
        metrics: Metrics,
        handing_back: HandingBack,
        wake: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._producer = producer
        self._database = database
        self._metrics = metrics
        self._handing_back = handing_back
        self._wake = wake
        self._applying = False

    def hears(self) -> bool:
        """Whether something was said about batches that is not applied yet."""
        return self._applying or len(self._inbox) > 0 or self._handing_back.is_under_way()

    async def run(self) -> None:
        """Takes and applies until cancelled."""
        try:
            while True:
                for message in await self._inbox.take(1):
                    self._applying = True
                    await self.handle(message)
                    self._applying = False
        finally:
            self._database.drop()

    async def handle(self, message: Message) -> None:
        """One message: when this returns it is finished, or somebody else's."""
        try:
            command = messages.decode_batch_command(message.body)
        except msgspec.DecodeError as error:
            await unreadable.drop(message, error, self._metrics)
            return
        began_s = time.perf_counter()
        try:
            settled = await self._settle(command, wanted=lambda: not message.is_lost)
        except NotWanted:  # its next delivery is here already, or elsewhere
            log.warning("command given up: its message went elsewhere", **_names(command))
            return
        except NotNow as error:
            await self._hand_back(message, command, error)
            return
        kind = str(command.__struct_config__.tag)
        self._metrics.batch_command(kind, settled.outcome.outcome, time.perf_counter() - began_s)
        await message.fin()
        if not isinstance(command, OpenBatch | FillBatch):
            self._wake()
        tell = log.debug if isinstance(command, FillBatch) else log.info
        tell("command recorded", outcome=settled.outcome.outcome, **_names(command), **_again(settled))
        await hints.publish(self._producer, topics.RECORDED, messages.Recorded(outcomes=(settled.outcome,)))

    async def _hand_back(self, message: Message, command: BatchCommand, error: NotNow) -> None:
        if error.reason == "too_slow":
            log.error("a command takes longer than it may; it is tried again until it expires", **_names(command))
        else:
            log.info("command handed back: what it is about is in use", **_names(command))
        await self._handing_back.hand_back(message, error.reason)

    async def _settle(self, command: BatchCommand, wanted: Callable[[], bool]) -> Settled:
        try:
            return await self._database.commit(lambda connection: _apply(connection, command), wanted=wanted)
        except asyncpg.PostgresError as error:
            if not faults.is_data(error):
                raise
            self._metrics.culprits.inc()
            log.error("PostgreSQL refuses the contents of a message", error=faults.said(error), **_names(command))
        return await self._database.commit(lambda connection: _apply(connection, command, refused=True), wanted=wanted)


async def _apply(connection: asyncpg.Connection, command: BatchCommand, *, refused: bool = False) -> Settled:
    """As `commands.apply`, once.

    Raises:
        NotNow: what it needs is locked, or it takes too long: others are to have their turn before it is tried again.
        asyncpg.PostgresError, OSError, …: as there.
    """
    try:
        return await commands.apply(connection, command, refused=refused)
    except asyncpg.LockNotAvailableError as error:
        raise NotNow("in_use") from error
    except asyncpg.QueryCanceledError as error:
        raise NotNow("too_slow") from error


def _names(command: BatchCommand) -> dict[str, Any]:
    """What the log calls a command by; nothing that callers have written."""
    named: dict[str, Any] = {"kind": str(command.__struct_config__.tag), "command": str(command.id)}
    batch_id = getattr(command, "batch_id", None)
    if batch_id is not None:
        named["batch"] = str(batch_id)
    if isinstance(command, FillBatch):
        named |= {"number": command.number, "records": len(command.records)}
    return named | {"trace": command.trace}


def _again(settled: Settled) -> dict[str, Any]:
    return {"again": True} if settled.again else {}

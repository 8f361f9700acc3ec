"""Commands about batches, one after another: decode, commit, FIN, tell those who wait."""

import time
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import msgspec
import structlog

from services.recorder import faults
from services.recorder.batches import commands
from services.recorder.batches.commands import Settled
from services.recorder.inbox import Inbox
from services.recorder.metrics import Metrics
from services.recorder.persistence import NotWanted, Persistent
from shared import messages, topics
from shared.messages import BatchCommand, FillBatch, OpenBatch
from shared.nsq.errors import NsqError
from shared.nsq.message import Message
from shared.nsq.producer import Producer

log = structlog.get_logger(__name__)

STATEMENT_TIMEOUT_S: Final = 150
"""The close of a batch of a million lines takes a good part of it on a slow disk."""
COMMIT_WITHIN_S: Final = STATEMENT_TIMEOUT_S + 20.0


class BatchRecorder:
    """Applies what its inbox holds, for ever.

    Args:
        inbox: of batch commands alone.
        producer: for hints.
        database: a connection that nobody else uses.
        metrics: the recorder's.
        wake: called when there may be a new job.
    """

    def __init__(
        self, *, inbox: Inbox, producer: Producer, database: Persistent, metrics: Metrics, wake: Callable[[], None]
    ) -> None:
        self._inbox = inbox
        self._producer = producer
        self._database = database
        self._metrics = metrics
        self._wake = wake

    async def run(self) -> None:
        """Takes and applies until cancelled."""
        try:
            while True:
                for message in await self._inbox.take(1):
                    await self.handle(message)
        finally:
            self._database.drop()

    async def handle(self, message: Message) -> None:
        """One message: when this returns it is finished, or somebody else's."""
        try:
            command = messages.decode_batch_command(message.body)
        except msgspec.DecodeError as error:
            log.error("message dropped: it can't be read", topic=message.topic, error=str(error), id=message.id)
            self._metrics.undecodable.inc()
            await message.fin()
            return
        began_s = time.perf_counter()
        try:
            settled = await self._settle(command, wanted=lambda: not message.is_lost)
        except NotWanted:  # its next delivery is here already, or elsewhere
            log.warning("command given up: its message went elsewhere", **_names(command))
            return
        kind = str(command.__struct_config__.tag)
        self._metrics.batch_command(kind, settled.outcome.outcome, time.perf_counter() - began_s)
        await message.fin()
        if not isinstance(command, OpenBatch | FillBatch):
            self._wake()
        tell = log.debug if isinstance(command, FillBatch) else log.info
        tell("command recorded", outcome=settled.outcome.outcome, **_names(command), **_again(settled))
        await self._hint(messages.Recorded(outcomes=(settled.outcome,)))

    async def _settle(self, command: BatchCommand, wanted: Callable[[], bool]) -> Settled:
        try:
            return await self._database.commit(lambda connection: commands.apply(connection, command), wanted=wanted)
        except asyncpg.PostgresError as error:
            if not faults.is_data(error):
                raise
            self._metrics.culprits.inc()
            log.error("PostgreSQL refuses the contents of a message", error=faults.said(error), **_names(command))
        refused = await self._database.commit(
            lambda connection: commands.apply(connection, command, refused=True), wanted=wanted
        )
        return refused

    async def _hint(self, hint: messages.Recorded) -> None:
        try:
            await self._producer.publish(topics.RECORDED.name, messages.encode(hint))
        except NsqError as error:
            log.warning("hint not published; those who wait look it up", topic=topics.RECORDED.name, error=repr(error))


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

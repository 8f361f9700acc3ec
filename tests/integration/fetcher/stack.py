"""A fetcher in this process, and the ends of the queues that others hold."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from services.fetcher import app
from shared import messages, settings, topics
from shared.messages import AttemptFinished, ClaimedCheck, Report
from shared.nsq.message import Message
from shared.nsq.wiring import Wiring
from shared.service import Service
from tests import factories
from tests.integration.servers import Nsqd, eventually

R = TypeVar("R", bound=Report)


@dataclass
class Stack:
    """A running fetcher, and the ends of the queues that others hold."""

    service: Service
    producer: Any
    reports: list[Report] = field(default_factory=list)

    def of(self, kind: type[R]) -> list[R]:
        return [report for report in self.reports if isinstance(report, kind)]

    async def send(self, *checks: ClaimedCheck, topic: topics.Topic = topics.CHECKS) -> None:
        await self.producer.publish_many(topic.name, messages.encode_all(checks))

    async def outcome(self) -> AttemptFinished:
        await eventually(lambda: self.of(AttemptFinished), what="an outcome")
        return self.of(AttemptFinished)[0]

    def metric(self, name: str, **labels: str) -> float:
        return self.service.registry.get_sample_value(name, labels) or 0

    async def publish(self, topic: topics.Topic, message: messages.Message) -> None:
        await self.producer.publish(topic.name, messages.encode(message))

    async def outcomes(self, count: int, *, timeout_s: float = 10.0) -> dict[Any, AttemptFinished]:
        """Waits for outcomes of so many checks; returns them by the check's id."""
        await eventually(
            lambda: len({report.check_id for report in self.of(AttemptFinished)}) >= count,
            what=f"{count} outcomes",
            timeout_s=timeout_s,
        )
        return {report.check_id: report for report in self.of(AttemptFinished)}


@asynccontextmanager
async def outside(nsqd: Nsqd, service: Service | None = None) -> AsyncIterator[Stack]:
    """What the others do: publish checks, and read what fetchers report."""
    config = settings.load({"WORDWATCH_NSQD": nsqd.tcp})
    test = Service("test", config)
    wiring = Wiring(config, instance="test", registry=test.registry)
    stack = Stack(service or test, wiring.producer())

    async def keep(message: Message) -> None:
        stack.reports.append(messages.decode_report(message.body))

    reader = wiring.consumer(topics.RESULTS, keep, max_in_flight=100)
    async with wiring.lookup, stack.producer, asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        await eventually(lambda: reader.ready() and stack.producer.ready(), what="both ends")
        try:
            yield stack
        finally:
            await reader.stop(1)


@asynccontextmanager
async def running(
    nsqd: Nsqd, fetcher_nsqd: str | None = None, *, parts: Mapping[str, Any] | None = None, **variables: str
) -> AsyncIterator[Stack]:
    """A fetcher in this process; `parts` are further arguments of `app.run`."""
    basic = {
        "WORDWATCH_NSQD": fetcher_nsqd or nsqd.tcp,
        "WORDWATCH_ALLOW_TARGETS": "127.0.0.0/8",
        "WORDWATCH_HOST_RATE_PER_S": "0",
    }
    service = Service("fetcher", settings.load(basic | variables))
    async with outside(nsqd, service) as stack, asyncio.TaskGroup() as group:
        ended = group.create_task(app.run(service, **(parts or {})))
        await eventually(lambda: len(service.needs) == 4 and all(service.readiness().values()), what="readiness")
        try:
            yield stack
        finally:
            service.stopping.set()
            await ended
    assert service._failure is None


def check(url: str, **fields: Any) -> ClaimedCheck:
    return factories.claimed(url=url, host=url.split("/")[2], **fields)

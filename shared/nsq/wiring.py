"""The NSQ parts of a service, made from its settings: the one place that joins the two."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prometheus_client import CollectorRegistry

from shared import topics
from shared.nsq.connection import ConnectionOptions
from shared.nsq.consumer import Consumer, Handler
from shared.nsq.lookup import Lookup
from shared.nsq.metrics import Metrics
from shared.nsq.producer import Producer
from shared.service import Service
from shared.settings import Settings


class Wiring:
    """Makes the lookup, the producer and the consumers of one process; they share the lookup and the metrics."""

    def __init__(self, config: Settings, *, instance: str, registry: CollectorRegistry) -> None:
        self._config = config
        # Two missed beats must be noticed before nsqd gives a message to somebody else.
        heartbeat_s = min(max(config.msg_timeout_s / 2, 1.0), 5.0)
        self._options = ConnectionOptions(client_name=instance, heartbeat_s=heartbeat_s)
        self._metrics = Metrics(registry)
        local = (f"127.0.0.1:{config.lookupd_http_port}",)
        self.lookup = Lookup(() if config.nsqd else config.nsqlookupd or local, config.nsqd)

    @asynccontextmanager
    async def connected(self, service: Service, producer: Producer) -> AsyncIterator[None]:
        """Runs the lookup and `producer` while the context lasts: what the service can't do without, and needs."""
        async with self.lookup, producer:
            service.supervise(self.lookup.wait(), "nsq lookup")
            service.supervise(producer.wait(), "nsq producer")
            service.needs["nsqd"] = producer.ready
            yield

    def producer(self) -> Producer:
        """A producer that provisions all durable topics."""
        return Producer(
            lookup=self.lookup,
            provision=topics.DURABLE,
            max_message_bytes=topics.MAX_MESSAGE_BYTES,
            options=self._options,
            metrics=self._metrics,
        )

    def consumer(
        self,
        topic: topics.Topic,
        handler: Handler,
        *,
        max_in_flight: int,
        channel: str | None = None,
        auto_finish: bool = True,
        touch_for_s: float = 60.0,
        hold_s: float = 0.0,
    ) -> Consumer:
        """A consumer of the topic's own channel, or of `channel`; see `Consumer` and `ConnectionOptions`."""
        return Consumer(
            topic=topic.name,
            channel=channel or topic.channels[0],
            lookup=self.lookup,
            max_in_flight=max_in_flight,
            handler=handler,
            auto_finish=auto_finish,
            msg_timeout_s=self._config.msg_timeout_s,
            touch_for_s=touch_for_s,
            options=replace(self._options, hold_s=hold_s),
            metrics=self._metrics,
        )

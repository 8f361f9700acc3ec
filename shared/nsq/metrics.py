"""What NSQ traffic is counted as, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.metrics import known
from shared.nsq.errors import CODES, FrameError
from shared.nsq.names import is_ephemeral

_WAITS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_PREFIX = "wordwatch_nsq_"


class _Live:
    """A gauge that asks its sources when it is read, so that nothing is paid per message."""

    def __init__(self, gauge: Gauge) -> None:
        self._sources: list[Callable[[], int]] = []
        gauge.set_function(lambda: float(sum(source() for source in self._sources)))

    def add(self, source: Callable[[], int]) -> None:
        """Adds a source."""
        self._sources.append(source)

    def remove(self, source: Callable[[], int]) -> None:
        """Removes a source that was added."""
        self._sources.remove(source)


class ChannelMetrics:
    """The counters of one topic and channel, looked up once."""

    def __init__(self, metrics: "Metrics", topic: str, channel: str) -> None:
        labels = (topic, channel_label(channel))
        self.messages = metrics.messages.labels(*labels)
        self.finished = metrics.finished.labels(*labels)
        self.requeued = metrics.requeued.labels(*labels)
        self.touched = metrics.touched.labels(*labels)
        self.lost = metrics.lost.labels(*labels)
        self.handler_errors = metrics.handler_errors.labels(*labels)
        self._waits = metrics.waits.labels(*labels)

    def received(self, published_ns: int, now_ns: int) -> None:
        """Counts a message that nsqd took and gave out at these times, in nanoseconds since 1970."""
        self.messages.inc()
        self._waits.observe(max(0, now_ns - published_ns) / 1e9)


def channel_label(channel: str) -> str:
    """An ephemeral channel is named after an instance; its label is not, to keep the labels few."""
    return "ephemeral" if is_ephemeral(channel) else channel


class Metrics:
    """All NSQ metrics of one process; shared by its producers and consumers.

    Args:
        registry: Where they are registered; one of their own otherwise.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        channel = ("topic", "channel")

        def counter(name: str, about: str, labels: tuple[str, ...]) -> Counter:
            return Counter(_PREFIX + name, about, labels, registry=registry)

        self.published = counter("published", "Messages that an nsqd has taken", ("topic",))
        self.publish_errors = counter("publish_errors", "Publishes that failed, repeats included", ("topic", "error"))
        self.messages = counter("messages", "Messages received", channel)
        self.finished = counter("finished", "Messages finished (FIN)", channel)
        self.requeued = counter("requeued", "Messages handed back (REQ)", channel)
        self.touched = counter("touched", "TOUCHes sent", channel)
        self.lost = counter("lost", "Messages lost to another consumer while they were in hand", channel)
        self.handler_errors = counter("handler_errors", "Handlers that raised", channel)
        self.waits = Histogram(
            _PREFIX + "message_wait_seconds",
            "From when nsqd took a message until it was received; by the clocks of both machines",
            channel,
            registry=registry,
            buckets=_WAITS_S,
        )
        self._refused = counter("refused", "FIN, REQ and TOUCH that nsqd refused", ("code",))
        self.reconnects = counter("reconnects", "Connections tried again", ("role",))
        self.connections = Gauge(_PREFIX + "connections", "Usable connections", ("role",), registry=registry)
        self.in_flight = _Live(Gauge(_PREFIX + "in_flight", "Messages in hand", registry=registry))
        self.outstanding = _Live(Gauge(_PREFIX + "outstanding", "Publishes not acknowledged yet", registry=registry))

    def refused(self, error: FrameError) -> None:
        """Counts a refusal."""
        self._refused.labels(known(error.code, CODES)).inc()

"""What the recorder measures."""

from collections.abc import Callable, Collection
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared import topics
from shared.claims import ClaimMetrics
from shared.messages import COMMAND_KINDS, OUTCOMES
from shared.metrics import known, live_gauge
from shared.nsq.message import Message

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The recorder's own figures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

        def counter(name: str, about: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"wordwatch_recorder_{name}", about, labels, registry=registry)

        self.flush_seconds = Histogram(
            "wordwatch_recorder_flush_seconds",
            "Time of a flush, retries included",
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._flush_size = Histogram(
            "wordwatch_recorder_flush_messages",
            "Messages in a flush",
            registry=registry,
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
        )
        delay = Histogram(
            "wordwatch_recorder_commit_delay_seconds",
            "From when nsqd took a message until what it says was committed; by the clocks of both machines",
            ("topic",),
            registry=registry,
            buckets=(*_BUCKETS_S, 60, 300),
        )
        self._delay = {topic.name: delay.labels(topic.name) for topic in (topics.COMMANDS, topics.RESULTS)}
        self._settled = counter("settled_commands", "Commands committed, repeats included", ("kind", "outcome"))
        self.flush_retries = counter("flush_retries", "Flushes that failed and were tried again")
        self.culprits = counter("culprits", "Messages whose contents PostgreSQL refused")
        self.undecodable = counter("undecodable_messages", "Messages dropped as unreadable")
        self.claims = ClaimMetrics(registry)
        self.claimed = counter("claimed_checks", "Checks claimed and published")
        self._command_seconds = Histogram(
            "wordwatch_recorder_batch_command_seconds",
            "Time of a command about a batch, from its turn until it is committed",
            ("kind",),
            registry=registry,
            buckets=(*_BUCKETS_S, 60, 180),
        )
        self._slice_seconds = Histogram(
            "wordwatch_recorder_job_slice_seconds",
            "Time of a slice of a job",
            ("kind",),
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._job_rows = counter("job_rows", "Rows that jobs have changed", ("kind",))
        self.batch_retries = counter("batch_retries", "Commands about batches and slices that were tried again")
        about = "Commands about batches that went back to nsqd for a moment, so that others had their turn"
        self._handed_back = counter("batch_commands_handed_back", about, ("reason",))
        self._jobs_put_off = counter("jobs_put_off", "Jobs put off as a slice of them has failed for good", ("kind",))
        self.oldest_job_s = Gauge(
            "wordwatch_recorder_oldest_job_seconds",
            "How long ago the oldest job was asked for that is not done; 0: all are",
            registry=registry,
        )
        self.broken_uploads = counter("broken_uploads", "Batches given up as nothing was heard of their upload")

    def watch(self, *, inbox: Callable[[], int], owed: Callable[[], int]) -> None:
        """Says where to ask how much waits; to be called once."""
        live_gauge("wordwatch_recorder_inbox_messages", "Messages in hand that wait for a flush", inbox, self._registry)
        about = "Checks that are claimed, but that no nsqd has taken yet"
        live_gauge("wordwatch_recorder_unpublished_checks", about, owed, self._registry)

    def watch_batches(self, inbox: Callable[[], int]) -> None:
        """The same for commands about batches."""
        about = "Commands about batches in hand that wait for their turn"
        live_gauge("wordwatch_recorder_batch_inbox_messages", about, inbox, self._registry)

    def handed_back(self, reason: str) -> None:
        """Counts a command about a batch that is to come again; reasons are those of a table."""
        self._handed_back.labels(reason).inc()

    def put_off(self, kind: str) -> None:
        """Counts a job that is put off; kinds are those of the table."""
        self._jobs_put_off.labels(kind).inc()

    def batch_command(self, kind: str, outcome: str, seconds: float) -> None:
        """Counts a command about a batch that is settled."""
        self.command(kind, outcome)
        self._command_seconds.labels(known(kind, COMMAND_KINDS)).observe(seconds)

    def slice(self, kind: str, changed: int, seconds: float) -> None:
        """Counts a slice of a job; kinds are those of the table."""
        self._slice_seconds.labels(kind).observe(seconds)
        self._job_rows.labels(kind).inc(changed)

    def flushed(self, messages: Collection[Message], now_ns: int) -> None:
        """Counts a flush; `now_ns` is the time of its end, in nanoseconds since 1970."""
        self._flush_size.observe(len(messages))
        for message in messages:
            self._delay[message.topic].observe(max(0, now_ns - message.timestamp) / 1e9)

    def command(self, kind: str, outcome: str) -> None:
        """Counts what became of a command."""
        self._settled.labels(known(kind, COMMAND_KINDS), known(outcome, OUTCOMES)).inc()

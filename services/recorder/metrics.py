"""What the recorder measures."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """The recorder's own figures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.flush_seconds = Histogram(
            "wordwatch_recorder_flush_seconds",
            "Time of a flush, retries included",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.flush_size = Histogram(
            "wordwatch_recorder_flush_messages",
            "Messages in a flush",
            registry=registry,
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
        )
        self.flush_retries = Counter(
            "wordwatch_recorder_flush_retries", "Flushes that failed and were tried again", registry=registry
        )
        self.culprits = Counter(
            "wordwatch_recorder_culprits", "Messages whose contents PostgreSQL refused", registry=registry
        )
        self.undecodable = Counter(
            "wordwatch_recorder_undecodable_messages", "Messages dropped as unreadable", registry=registry
        )
        self.claimed = Counter("wordwatch_recorder_claimed_checks", "Checks claimed and published", registry=registry)

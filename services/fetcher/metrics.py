"""What a fetcher measures."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """A fetcher's own figures. The label `outcome` is `counted` or an error code of the table."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "wordwatch_fetcher_attempts", "Attempts that ended with an outcome", ("outcome",), registry=registry
        )
        self.attempt_seconds = Histogram(
            "wordwatch_fetcher_attempt_seconds",
            "Time of an attempt, from fetch to count",
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.late = Counter(
            "wordwatch_fetcher_late_attempts", "Attempts that came too late to begin", registry=registry
        )
        self.dropped = Counter(
            "wordwatch_fetcher_dropped_attempts", "Attempts given up as their message was lost", registry=registry
        )
        self.given_up = Counter(
            "wordwatch_fetcher_given_up_attempts", "Attempts given up as their lease ended", registry=registry
        )

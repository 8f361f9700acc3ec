"""What a fetcher measures."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.errors import ERRORS
from shared.messages import Lane
from shared.metrics import known, live_gauge

COUNTED: Final = "counted"


class Metrics:
    """A fetcher's own figures. The label `outcome` is `counted` or an error code of the table."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._attempts = Counter(
            "wordwatch_fetcher_attempts", "Attempts that ended with an outcome", ("outcome",), registry=registry
        )
        self.attempt_seconds = Histogram(
            "wordwatch_fetcher_attempt_seconds",
            "Time of an attempt, from fetch to count",
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self._begin_delay = Histogram(
            "wordwatch_fetcher_begin_delay_seconds",
            "From when a check was claimed until its attempt began, its host's turn included; by two machines' clocks",
            ("lane",),
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
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

    def watch(self, *, in_flight: Callable[[], int], capacity: int) -> None:
        """Says where to ask for what is in hand; to be called once."""
        live_gauge("wordwatch_fetcher_in_flight", "Checks in hand", in_flight, self._registry)
        about = "Checks that may be in hand at once"
        live_gauge("wordwatch_fetcher_capacity", about, lambda: capacity, self._registry)

    def began(self, lane: Lane, delay: timedelta) -> None:
        """Counts an attempt that begins so long after its check was claimed."""
        self._begin_delay.labels(lane).observe(max(0.0, delay.total_seconds()))

    def ended(self, outcome: str) -> None:
        """Counts an attempt that ended with `counted`, or with the code of an error."""
        self._attempts.labels(outcome if outcome == COUNTED else known(outcome, ERRORS)).inc()

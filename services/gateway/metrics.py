"""What the gateway counts, for Prometheus."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

from shared.messages import COMMAND_KINDS, OUTCOMES
from shared.metrics import known, live_gauge

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_UNKNOWN_OUTCOME: Final = "none"


class Metrics:
    """The metrics of one gateway.

    Args:
        registry: where they are registered.
        waiting: how many requests wait now.
        most_waiting: how many may.
    """

    def __init__(self, registry: CollectorRegistry, *, waiting: Callable[[], int], most_waiting: int) -> None:
        self._registry = registry
        self.request_seconds = Histogram(
            "wordwatch_gateway_request_seconds",
            "Time from a request's headers to its answer",
            ("method", "route", "status"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        about = "Requests that are being answered, those that wait included"
        self.in_flight = Gauge("wordwatch_gateway_requests_in_flight", about, registry=registry)
        self._command_seconds = Histogram(
            "wordwatch_gateway_command_seconds",
            "Time from sending a command until it was known what became of it; outcome none: nobody knew in time",
            ("kind", "outcome"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        about = "Requests that wait until something is recorded"
        live_gauge("wordwatch_gateway_waiting_requests", about, waiting, registry)
        about = "Requests that may wait at once: more are refused"
        live_gauge("wordwatch_gateway_waiting_requests_limit", about, lambda: most_waiting, registry)

    def watch_followers(self, followers: Callable[[], int], *, most: int) -> None:
        """Tells how many follow what changes, and how many may."""
        about = "Connections that follow what changes"
        live_gauge("wordwatch_gateway_followers", about, followers, self._registry)
        about = "Connections that may follow at once: more are refused"
        live_gauge("wordwatch_gateway_followers_limit", about, lambda: most, self._registry)

    def command(self, kind: str, outcome: str | None, took_s: float) -> None:
        """Counts a command; `outcome` is None when nobody said in time what became of it."""
        became = _UNKNOWN_OUTCOME if outcome is None else known(outcome, OUTCOMES)
        self._command_seconds.labels(known(kind, COMMAND_KINDS), became).observe(took_s)

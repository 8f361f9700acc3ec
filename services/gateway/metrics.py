"""What the gateway counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, Histogram

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one gateway.

    Args:
        registry: where they are registered.
        waiting: how many requests wait now.
    """

    def __init__(self, registry: CollectorRegistry, *, waiting: Callable[[], int]) -> None:
        self.request_seconds = Histogram(
            "wordwatch_gateway_request_seconds",
            "Time from a request's headers to its answer",
            ("method", "route", "status"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        gauge = Gauge("wordwatch_gateway_waiting", "Requests that wait until something is recorded", registry=registry)
        gauge.set_function(lambda: float(waiting()))

"""What a door counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.web.door import REASONS, Door


class DoorMetrics(Collector):
    """How many connections clients have open, how many they may have, and how many were closed for which reason.

    Args:
        door: what they came in by.
        prefix: the beginning of the metrics' names.
    """

    def __init__(self, door: Door, *, prefix: str) -> None:
        self._door = door
        self._prefix = prefix

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The values of now."""
        prefix, door = self._prefix, self._door
        yield GaugeMetricFamily(f"{prefix}_connections", "Connections that clients have open", len(door))
        limit = door.limits.max_connections
        yield GaugeMetricFamily(f"{prefix}_connections_limit", "Connections that may be open at once", limit)
        about = "Connections closed because their client was too slow, or to make room, or for want of it"
        closed = CounterMetricFamily(f"{prefix}_connections_closed", about, labels=["reason"])
        for reason in REASONS:
            closed.add_metric([reason], door.closed[reason])
        yield closed

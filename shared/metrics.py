"""What every service tells of its process, for Prometheus: its build, its resources, its needs, its log lines.

Names and units follow https://prometheus.io/docs/practices/naming/: base units, `_total` for what only grows. Labels
have few values, whatever the traffic brings: `known` keeps those that come from outside within a table.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.version import VERSION

OTHER: Final = "other"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")


def known(value: str, table: Collection[str]) -> str:
    """The value if it stands in the table, else `other`: a label must not grow with what others send."""
    return value if value in table else OTHER


def live_gauge(name: str, about: str, value: Callable[[], float], registry: CollectorRegistry) -> None:
    """A gauge that asks when it is read."""
    Gauge(name, about, registry=registry).set_function(value)


class ServiceMetrics:
    """The metrics that all services share.

    Args:
        registry: where they are registered.
        readiness: each need, and whether it is met.
    """

    def __init__(self, registry: CollectorRegistry, readiness: Callable[[], Mapping[str, bool]]) -> None:
        # A second series for each one, of the time when it was made.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        prometheus_client.ProcessCollector(registry=registry)
        prometheus_client.PlatformCollector(registry=registry)
        prometheus_client.GCCollector(registry=registry)
        build = Gauge("wordwatch_build_info", "1; the label says which release runs", ("version",), registry=registry)
        build.labels(VERSION).set(1)
        registry.register(_Readiness(readiness))
        lines = Counter("wordwatch_log_lines", "Lines written to the log", ("level",), registry=registry)
        self._lines = {level: lines.labels(level) for level in (*LEVELS, OTHER)}

    def count_line(self, level: str) -> None:
        """Counts one line of the log."""
        self._lines[known(level, LEVELS)].inc()


class _Readiness(Collector):
    """What /readyz says, as a gauge by need: needs come when a service has begun to say them."""

    def __init__(self, readiness: Callable[[], Mapping[str, bool]]) -> None:
        self._readiness = readiness

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Called by the registry."""
        family = GaugeMetricFamily("wordwatch_ready", "1 while the need is met, else 0", labels=["need"])
        for need, met in self._readiness().items():
            family.add_metric([need], float(met))
        yield family

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Its name, without asking anybody."""
        yield GaugeMetricFamily("wordwatch_ready", "1 while the need is met, else 0", labels=["need"])

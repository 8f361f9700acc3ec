"""What a service tells of its connections to PostgreSQL, for Prometheus."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.metrics import live_gauge


@dataclass(frozen=True, slots=True)
class Use:
    """Connections at this moment: those that are open, and how many of them work on something."""

    open: int
    busy: int


class DatabaseMetrics:
    """Counts connections that are made; reads how many there are when it is asked.

    Args:
        registry: where they are registered; one of their own otherwise.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._registry = registry = registry or CollectorRegistry()
        self.opened = Counter(
            "wordwatch_database_connections_opened",
            "Connections to PostgreSQL that were made: more than there are now means that some were lost",
            registry=registry,
        )
        self.failed = Counter(
            "wordwatch_database_connection_failures",
            "Tries to connect to PostgreSQL that failed",
            registry=registry,
        )

    def watch(self, use: Callable[[], Use], *, most: int) -> None:
        """Says whose use is told, of at most `most` connections; to be called once."""
        gauge = Gauge(
            "wordwatch_database_connections",
            "Connections to PostgreSQL that are open, by what they do",
            ("state",),
            registry=self._registry,
        )
        gauge.labels("busy").set_function(lambda: use().busy)
        gauge.labels("idle").set_function(lambda: use().open - use().busy)
        about = "Connections to PostgreSQL that may be open at once"
        live_gauge("wordwatch_database_connections_limit", about, lambda: most, self._registry)

"""What is measured of robots.txt."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from services.fetcher.robots.answers import OUTCOMES, Outcome
from shared.metrics import known, live_gauge


class Metrics:
    """The label `outcome` is one of `answers.OUTCOMES`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._requests = Counter(
            "wordwatch_fetcher_robots_requests", "Questions for a robots.txt", ("outcome",), registry=registry
        )
        self._hits = Counter(
            "wordwatch_fetcher_robots_cache_hits",
            "Requests for which what a robots.txt says was known, or was being asked for already",
            registry=registry,
        )

    def watch(self, *, origins: Callable[[], int], size_bytes: Callable[[], int]) -> None:
        """Says where to ask for what is kept; to be called once."""
        live_gauge("wordwatch_fetcher_robots_origins", "Answers that are kept", origins, self._registry)
        about = "Memory that the kept answers take, about"
        live_gauge("wordwatch_fetcher_robots_cache_bytes", about, size_bytes, self._registry)

    def answered(self, outcome: Outcome, *, asked: bool) -> None:
        """Counts an answer, and whether it had to be asked for."""
        if asked:
            self._requests.labels(known(outcome, OUTCOMES)).inc()
        else:
            self._hits.inc()

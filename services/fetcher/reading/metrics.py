"""What is measured of where pages are read."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from shared.metrics import live_gauge


class Metrics:
    """The label `place` is inline, thread or child; `cause` is one of `deaths.Cause`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.pages = Counter(
            "wordwatch_fetcher_pages_read", "Pages by where they were read", ("place",), registry=registry
        )
        self.started = Counter("wordwatch_fetcher_children_started", "Reading children started", registry=registry)
        self.deaths = Counter(
            "wordwatch_fetcher_child_deaths", "Reading children that died over a page", ("cause",), registry=registry
        )

    def watch(self, *, children: Callable[[], int], busy_threads: Callable[[], int]) -> None:
        """Says where to ask how many there are; to be called once."""
        live_gauge("wordwatch_fetcher_children", "Reading children that live", children, self._registry)
        about = "Pages that are being counted in a thread"
        live_gauge("wordwatch_fetcher_busy_threads", about, busy_threads, self._registry)

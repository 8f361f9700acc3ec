"""What is measured of where pages are read."""

from prometheus_client import CollectorRegistry, Counter


class Metrics:
    """The label `place` is inline, thread or child; `cause` is one of `deaths.Cause`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.pages = Counter(
            "wordwatch_fetcher_pages_read", "Pages by where they were read", ("place",), registry=registry
        )
        self.started = Counter("wordwatch_fetcher_children_started", "Reading children started", registry=registry)
        self.deaths = Counter(
            "wordwatch_fetcher_child_deaths", "Reading children that died over a page", ("cause",), registry=registry
        )

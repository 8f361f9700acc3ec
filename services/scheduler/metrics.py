"""What the scheduler measures."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.claims import ClaimMetrics


class Metrics:
    """The scheduler's own figures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str) -> Counter:
            return Counter(f"wordwatch_scheduler_{name}", about, registry=registry)

        self.round_seconds = Histogram(
            "wordwatch_scheduler_round_seconds",
            "Time of a round: a look for ended leases now and then, a claim, and publishing what was claimed",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.claims = ClaimMetrics(registry)
        self.claimed = counter("claimed_checks", "Checks claimed and published")
        self.lost = counter("lost_leases", "Leases that ended without a word")
        self.failed = counter("failed_rounds", "Rounds that failed")

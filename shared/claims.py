"""Rows of the claim as messages: what the recorder and the scheduler publish alike."""

from collections.abc import Iterable
from typing import Any

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Histogram

from shared import topics
from shared.ids import time_of
from shared.messages import ClaimedCheck, Question, encode_all
from shared.nsq.producer import Producer
from shared.settings import Settings
from shared.urls import host_key_as_set

log = structlog.get_logger(__name__)

MOST_PER_CLAIM = 500

CLAIM = "SELECT * FROM claim_checks($1::text[], $2, $3, $4, $5, $6::text[])"
"""Takes `claim_arguments`; gives rows for `from_row`."""


def claim_arguments(config: Settings, hosts: list[str] | None) -> tuple[Any, ...]:
    """The arguments of `claim_checks`; `hosts` None asks for whatever is due."""
    return hosts, MOST_PER_CLAIM, config.host_concurrency, config.host_rate_per_s, config.lease_s, trusted(config)


def trusted(config: Settings) -> list[str]:
    """Host keys without limits, as the claim compares them."""
    return [host_key_as_set(host) for host in config.trusted_hosts]


def from_row(row: asyncpg.Record) -> ClaimedCheck:
    """A row of `claim_checks` as the message that hands it to a fetcher."""
    return ClaimedCheck(
        check_id=row["check_id"],
        attempt=row["attempt"],
        run=row["run"],
        url=row["url"],
        host=row["host"],
        question=Question(
            words=tuple(row["words"]),
            scope=row["scope"],
            whole_word=row["whole_word"],
            case_sensitive=row["case_sensitive"],
        ),
        lane="bulk" if row["bulk"] else "interactive",
        claimed_at=row["claimed_at"],
        not_before=row["not_before"],
        not_after=row["not_after"],
        lost=row["lost"],
        deaths=row["deaths"],
        trace=row["trace"],
    )


async def publish(producer: Producer, checks: Iterable[ClaimedCheck]) -> None:
    """Publishes claimed checks, each on the topic of its lane.

    Raises:
        shared.nsq.errors.NsqError: no nsqd took them in time.
    """
    by_topic: dict[str, list[ClaimedCheck]] = {}
    for check in checks:
        by_topic.setdefault(topics.OF_LANE[check.lane].name, []).append(check)
    for topic, claimed in by_topic.items():
        await producer.publish_many(topic, encode_all(claimed))


class ClaimMetrics:
    """What recorder and scheduler measure alike of claims.

    Args:
        registry: where it is registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._delay = Histogram(
            "wordwatch_claim_delay_seconds",
            "From when a check was asked for until its first claim; by the clocks of gateway and PostgreSQL",
            ("lane",),
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
        )

    def published(self, checks: Iterable[ClaimedCheck]) -> None:
        """Counts checks that are claimed and published, and tells the log; of bulk work only at level debug."""
        for check in checks:
            if check.attempt == 1:
                delay = check.claimed_at - time_of(check.check_id)
                self._delay.labels(check.lane).observe(max(0.0, delay.total_seconds()))
            tell = log.debug if check.lane == "bulk" else log.info
            tell(
                "check claimed",
                check=str(check.check_id),
                attempt=check.attempt,
                host=check.host,
                lane=check.lane,
                lost=check.lost,
                trace=check.trace,
            )

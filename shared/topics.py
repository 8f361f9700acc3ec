"""The one table of topics: what they carry, who publishes and reads them, and how large a message may be.

docs/messages.md is made from it. A test holds the names to this module: no other one may spell them.
"""

from dataclasses import dataclass
from typing import Any

from shared import messages

MAX_MESSAGE_BYTES = 4 * 2**20
"""nsqd's --max-msg-size."""
MAX_BODY_BYTES = 8 * 2**20
"""nsqd's --max-body-size: the bound of an MPUB."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `channels` are its durable channels, which every publisher creates before its first PUB."""

    name: str
    message: Any
    publishers: tuple[str, ...]
    channels: tuple[str, ...]
    about: str

    @property
    def ephemeral(self) -> bool:
        """Whether nsqd keeps its messages in memory alone and forgets it with its last channel."""
        return self.name.endswith("#ephemeral")


COMMANDS = Topic("commands", messages.Command, ("gateway",), ("recorder",), "A change asked for")
CHECKS = Topic(
    "checks",
    messages.ClaimedCheck,
    ("recorder", "scheduler"),
    ("fetcher",),
    "One claimed check that a person waits for",
)
CHECKS_BULK = Topic(
    "checks.bulk", messages.ClaimedCheck, ("recorder", "scheduler"), ("fetcher",), "One claimed check of a batch"
)
RESULTS = Topic("results", messages.Report, ("fetcher",), ("recorder",), "Outcomes of attempts, and signs of life")
RECORDED = Topic(
    "recorded#ephemeral", messages.Recorded, ("recorder",), (), "A hint after each commit; one channel per reader"
)
CLOCKS = Topic(
    "clocks#ephemeral",
    messages.ClockReadings,
    ("recorder",),
    (),
    "What Postgres's clock said at fetchers' signs of life; one channel per fetcher",
)

ALL = (COMMANDS, CHECKS, CHECKS_BULK, RESULTS, RECORDED, CLOCKS)
OF_LANE: dict[messages.Lane, Topic] = {"interactive": CHECKS, "bulk": CHECKS_BULK}
DURABLE: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
    (topic.name, topic.channels) for topic in ALL if not topic.ephemeral
)
"""What to provision on every nsqd before the first PUB: pairs of a topic and its channels."""


def ephemeral_channel(instance: str) -> str:
    """The channel of `recorded` for one instance of a service: letters, digits, `.`, `_` and `-` only."""
    return f"{instance}#ephemeral"

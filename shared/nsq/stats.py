"""How much waits in each nsqd, from its HTTP API."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
import msgspec

from shared.nsq.lookup import Lookup, Node

_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError)


class ChannelDepth(msgspec.Struct, frozen=True, rename={"name": "channel_name", "in_flight": "in_flight_count"}):
    """One channel of one nsqd.

    Attributes:
        name: Its name.
        depth: Messages that wait. nsqd may report less than 0 after it was killed.
        in_flight: Messages delivered and not finished.
        deferred_count: Messages handed back with a delay.
    """

    name: str
    depth: int
    in_flight: int
    deferred_count: int


class TopicDepth(msgspec.Struct, frozen=True, rename={"name": "topic_name"}):
    """One topic of one nsqd.

    Attributes:
        name: Its name.
        depth: Messages that wait to be copied to the channels, or for a first channel.
        channels: Its channels.
    """

    name: str
    depth: int
    channels: list[ChannelDepth]

    @property
    def waiting(self) -> int:
        """Messages that no consumer has: in the topic, its channels, or deferred. Never below 0."""
        return max(self.depth, 0) + sum(max(c.depth, 0) + c.deferred_count for c in self.channels)

    @property
    def in_flight(self) -> int:
        """Messages that consumers have."""
        return sum(channel.in_flight for channel in self.channels)


class _Stats(msgspec.Struct):
    topics: list[TopicDepth] | None = None


@dataclass(frozen=True, slots=True)
class NsqdDepths:
    """What one nsqd said.

    Attributes:
        node: Which one.
        topics: Its topics by name; empty when it was not reached.
        error: Why it was not reached, or None.
    """

    node: Node
    topics: Mapping[str, TopicDepth] = field(default_factory=dict)
    error: str | None = None

    @property
    def reached(self) -> bool:
        """Whether it answered."""
        return self.error is None


async def depths(lookup: Lookup, session: aiohttp.ClientSession, *, timeout_s: float = 2.0) -> Sequence[NsqdDepths]:
    """Asks every known nsqd, all at once.

    Returns:
        One entry per nsqd, sorted by address; an nsqd that can't be reached within `timeout_s` has its `error` set.
    """
    return await asyncio.gather(*(_ask(node, session, timeout_s) for node in sorted(lookup.nodes())))


async def _ask(node: Node, session: aiohttp.ClientSession, timeout_s: float) -> NsqdDepths:
    url = f"http://{node.http}/stats?format=json&include_clients=false&include_mem=false"
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=timeout_s)) as response:
            response.raise_for_status()
            stats = msgspec.json.decode(await response.read(), type=_Stats)
    except _ERRORS as error:
        return NsqdDepths(node, error=str(error) or type(error).__name__)
    return NsqdDepths(node, {topic.name: topic for topic in stats.topics or ()})

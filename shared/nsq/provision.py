"""Durable topics and channels are made before anything is published: a channel made late misses what came before it.

They are made by subscribing for a moment on a connection of its own. SUB makes topic and channel before it is answered,
takes no message while RDY is 0, and leaves a durable channel behind. So one mechanism serves nsqds found through
nsqlookupd and nsqds known only by their TCP address, where the HTTP API's port is not known.
"""

from collections.abc import Sequence

from shared.nsq.connection import Connection, ConnectionOptions
from shared.nsq.names import check_channel, check_topic, is_ephemeral

_CLOSE_S = 1.0

Provision = Sequence[tuple[str, Sequence[str]]]
"""Topics, each with its durable channels."""


def check(provision: Provision) -> None:
    """Refuses what can't be made by subscribing.

    Raises:
        BadTopic, BadChannel: Not a name.
        ValueError: Something ephemeral, which would be gone again at once.
    """
    for topic, channels in provision:
        check_topic(topic)
        for channel in channels:
            check_channel(channel)
        if any(is_ephemeral(name) for name in (topic, *channels)):
            raise ValueError(f"{topic} {channels}: only what is durable can be provisioned")


async def provide(address: str, provision: Provision, options: ConnectionOptions) -> None:
    """Makes sure that one nsqd has these topics and channels.

    Args:
        address: nsqd's TCP `host:port`.
        provision: What to make; what is there already stays as it is.
        options: Of the short connections used.

    Raises:
        NsqError: nsqd can't be reached, or refused.
    """
    for topic, channels in provision:
        for channel in channels:
            connection = Connection(address, options)
            try:
                await connection.connect()
                await connection.subscribe(topic, channel)
            finally:
                await connection.close(timeout_s=_CLOSE_S)

"""Which names of topics and channels nsqd takes (internal/protocol/names.go in its source)."""

import functools
import re

from shared.nsq.errors import BadChannel, BadTopic

EPHEMERAL = "#ephemeral"
_NAME = re.compile(r"[.a-zA-Z0-9_-]+(#ephemeral)?")
_MAX_CHARACTERS = 64


def _valid(name: str) -> bool:
    return 1 <= len(name) <= _MAX_CHARACTERS and _NAME.fullmatch(name) is not None


@functools.lru_cache(maxsize=256)
def check_topic(name: str) -> None:
    """Refuses what nsqd would: a name is part of a command line, so a line feed in one would be a second command.

    Raises:
        BadTopic: Not 1 to 64 of the characters allowed, `#ephemeral` included.
    """
    if not _valid(name):
        raise BadTopic("E_BAD_TOPIC", f"topic name {name!r} is not valid")


@functools.lru_cache(maxsize=256)
def check_channel(name: str) -> None:
    """As `check_topic`, for a channel.

    Raises:
        BadChannel: As above.
    """
    if not _valid(name):
        raise BadChannel("E_BAD_CHANNEL", f"channel name {name!r} is not valid")


def is_ephemeral(name: str) -> bool:
    """Whether nsqd forgets the topic or channel when its last user goes."""
    return name.endswith(EPHEMERAL)

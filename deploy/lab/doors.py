"""The servers of the lab: which there are, and on which ports they listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from shared.settings import MAX_PORT

ADDRESS = "127.0.0.1"
NAME = "localhost"
"""The name of the same address: another host to a client."""


class Door(Enum):
    """One server of the lab. What a client remembers of a host (robots.txt, pauses) it remembers of one of these."""

    WEB = auto()
    """Has the front page and most hazards, by path."""
    ROBOTS = auto()
    """Its robots.txt keeps programs away from a part of it."""
    BROKEN_ROBOTS = auto()
    """Its robots.txt can't be had."""
    CROWDED = auto()
    """Asks for pauses."""
    SSH = auto()
    """Greets as an SSH server does."""
    SILENT = auto()
    """Takes connections, and never says a word."""
    CLOSED = auto()
    """Nobody listens."""
    TLS = auto()
    """Has a good certificate, of the lab's own authority."""
    UNKNOWN_AUTHORITY = auto()
    SELF_SIGNED = auto()
    EXPIRED = auto()
    OTHER_NAME = auto()

    @property
    def is_tls(self) -> bool:
        """Whether it speaks TLS."""
        return self in _TLS


_TLS: Final = frozenset({Door.TLS, Door.UNKNOWN_AUTHORITY, Door.SELF_SIGNED, Door.EXPIRED, Door.OTHER_NAME})


@dataclass(frozen=True, slots=True)
class Doors:
    """The port of each door."""

    ports: Mapping[Door, int]

    @classmethod
    def from_port(cls, first: int) -> Doors:
        """Number the doors from a first port on.

        Raises:
            ValueError: there are not so many ports.
        """
        if first + len(Door) - 1 > MAX_PORT:
            raise ValueError(f"the lab needs {len(Door)} ports, and there are fewer from {first} on")
        return cls({door: first + number for number, door in enumerate(Door)})

    @property
    def targets(self) -> tuple[str, ...]:
        """What a fetcher has to be allowed, each as ADDRESS:PORT."""
        return tuple(f"{ADDRESS}:{port}" for port in self.ports.values())

    def url(self, door: Door, target: str, *, scheme: str | None = None, host: str = ADDRESS) -> str:
        """The whole address of what is behind a door."""
        scheme = scheme or ("https" if door.is_tls else "http")
        return f"{scheme}://{host}:{self.ports[door]}{target}"

"""Events as they are sent: the event stream format of the WHATWG HTML standard, section 9.2.5. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from services.gateway.events.positions import Position
from services.gateway.events.views import Event

CONTENT_TYPE: Final = "text/event-stream"
COMMENT: Final = b": still here\n\n"
RECONNECT_MS: Final = 1_000
"""After so long a browser asks again when the connection broke."""


def encode(kind: Literal["snapshot", "update"], event: Event, position: Position) -> bytes:
    """One event."""
    data = msgspec.json.encode(event)
    retry = f"retry: {RECONNECT_MS}\n" if kind == "snapshot" else ""
    return b"%sid: %s\nevent: %s\ndata: %s\n\n" % (
        retry.encode(),
        position.encode().encode(),
        kind.encode(),
        data,
    )

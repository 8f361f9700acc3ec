"""Messages that none of our publishers has sent."""

import msgspec
import structlog

from services.recorder.metrics import Metrics
from shared.nsq.message import Message

log = structlog.get_logger(__name__)


async def drop(message: Message, error: msgspec.DecodeError, metrics: Metrics) -> None:
    """Finishes a message that can't be read.

    Nothing accepted is in it: our publishers encode what the decoder takes. Keeping it would block nothing but its own
    channel, for ever.
    """
    log.error("message dropped: it can't be read", topic=message.topic, error=str(error), id=message.id)
    metrics.undecodable.inc()
    await message.fin()

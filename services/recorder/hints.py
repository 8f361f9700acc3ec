"""Hints: what was committed, told to those who may be waiting for it."""

import structlog

from shared import messages, topics
from shared.nsq.errors import NsqError
from shared.nsq.producer import Producer

log = structlog.get_logger(__name__)


async def publish(producer: Producer, topic: topics.Topic, hint: messages.Message) -> None:
    """Publishes a hint; that none gets through is no failure, as those who wait look for themselves."""
    try:
        await producer.publish(topic.name, messages.encode(hint))
    except NsqError as error:
        log.warning("hint not published; those who wait look it up", topic=topic.name, error=repr(error))

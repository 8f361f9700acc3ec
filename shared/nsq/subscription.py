"""The messages of one consuming connection that are in hand."""

import time
from collections.abc import Callable

import structlog
from ansq.tcp.types import NSQMessageSchema

from shared.clock import MonotonicClock
from shared.nsq.connection import Connection
from shared.nsq.errors import FrameError, TouchFailed
from shared.nsq.message import Message
from shared.nsq.metrics import ChannelMetrics

log = structlog.get_logger(__name__)


class Subscription:
    """Knows which messages of a connection are owned, touches them, and says which are lost.

    Attributes:
        in_flight: The owned messages by their id.
        idle: Whether it had no messages lately when RDY was last shared.
        last_message_at: Monotonic seconds of the last message received.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        topic: str,
        touch_for_s: float,
        clock: MonotonicClock,
        metrics: ChannelMetrics,
        on_settled: Callable[[], None],
    ) -> None:
        negotiated = connection.negotiated
        self.connection = connection
        self.topic = topic
        self.clock = clock
        self.msg_timeout_s = negotiated.msg_timeout_s
        self.in_flight: dict[str, Message] = {}
        self.idle = False
        self.last_message_at = clock()
        self._max_msg_timeout_s = negotiated.max_msg_timeout_s
        self._touch_for_s = touch_for_s
        self._metrics = metrics
        self._on_settled = on_settled
        self._rdy = 0

    def allow(self, rdy: int) -> None:
        """Lets nsqd have `rdy` messages in flight here."""
        if rdy != self._rdy:
            self._rdy = rdy
            self.connection.rdy(rdy)

    def receive(self, frame: NSQMessageSchema, received_at: float) -> Message:
        """Takes a delivery. One of a message that is still in hand means that the earlier one is lost."""
        if (earlier := self.in_flight.get(frame.id)) is not None:
            self.lose(earlier)
        message = Message(frame, self, received_at)
        self.in_flight[message.id] = message
        self.last_message_at = self.clock()
        self._metrics.received(frame.timestamp, time.time_ns())
        return message

    def fin(self, message: Message) -> bool:
        """See `Message.fin`."""
        if not self._release(message):
            return False
        self.connection.fin(message.id)
        self._metrics.finished.inc()
        return True

    def req(self, message: Message, delay_s: float) -> bool:
        """See `Message.req`."""
        if not self._release(message):
            return False
        self.connection.req(message.id, max(round(delay_s * 1000), 0))
        self._metrics.requeued.inc()
        return True

    def _release(self, message: Message) -> bool:
        if message.done or message.is_lost:
            return False
        message.done = True
        del self.in_flight[message.id]
        if not self.in_flight:
            self._on_settled()
        return True

    def touch(self, message: Message) -> bool:
        """See `Message.touch`. While the socket takes nothing more, a TOUCH would not reach nsqd and is none."""
        if message.done or message.is_lost or self.connection.write_is_stuck:
            return False
        self.connection.touch(message.id)
        self._metrics.touched.inc()
        latest_s = message.received_at + self._max_msg_timeout_s  # nsqd goes no further
        message.owned_until = min(self.clock() + self.msg_timeout_s, latest_s)
        return True

    def keep(self) -> None:
        """Touches what has used up half of its time and is within the bound; gives up what is not owned any more."""
        now_s = self.clock()
        for message in list(self.in_flight.values()):
            if now_s >= message.owned_until:
                self.lose(message)
                continue
            due = message.owned_until - now_s <= self.msg_timeout_s / 2
            if due and now_s - message.received_at < self._touch_for_s:
                self.touch(message)

    def lose(self, message: Message) -> None:
        """Gives up one message."""
        if self.in_flight.get(message.id) is message:
            del self.in_flight[message.id]
        self._metrics.lost.inc()
        message.mark_lost()
        if not self.in_flight:
            self._on_settled()

    def lose_all(self) -> None:
        """Gives up everything: the connection is gone."""
        for message in list(self.in_flight.values()):
            self.lose(message)

    def refused(self, error: FrameError) -> None:
        """Takes nsqd's refusal of a FIN, REQ or TOUCH, which reads `TOUCH <id> failed …`."""
        words = error.text.split()
        message = self.in_flight.get(words[1]) if len(words) > 1 else None
        log.warning("nsqd refused", code=error.code, text=error.text, nsqd=self.connection.address, topic=self.topic)
        if isinstance(error, TouchFailed) and message is not None:
            message.owned_until = self.clock()  # unlike with a connection that broke, somebody else may have it now
            self.lose(message)

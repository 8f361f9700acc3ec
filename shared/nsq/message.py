"""A message in hand, and for how long it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ansq.tcp.types import NSQMessageSchema

if TYPE_CHECKING:
    from shared.nsq.subscription import Subscription


class Message:
    """One delivery of one message.

    It is owned until it is finished or handed back, or lost: its connection ended, nsqd refused a TOUCH, or none could
    be sent in time. What is lost has been or will be delivered again, here or elsewhere. (ansq's own NSQMessage decides
    that by the wall clock, and raises on finishing late.)

    Attributes:
        id: nsqd's id, unique on its nsqd.
        body: What was published.
        attempts: How often it has been delivered, this time included.
        timestamp: When nsqd took it, in nanoseconds since 1970, by nsqd's clock.
        topic: Where it was published.
        nsqd: The `host:port` of its nsqd.
        received_at: Monotonic seconds when it was received, at the latest.
        owned_until: Monotonic seconds when nsqd will deliver it anew unless it is touched.
        done: Whether it has been finished or handed back.
        when_lost: Called when it is lost, if somebody wants to know at once; look at `is_lost` after anything that may
            have stalled the process.
    """

    __slots__ = (
        "_lost",
        "_subscription",
        "attempts",
        "body",
        "done",
        "id",
        "owned_until",
        "received_at",
        "timestamp",
        "when_lost",
    )

    def __init__(self, frame: NSQMessageSchema, subscription: "Subscription", received_at: float) -> None:
        self.id = frame.id
        self.body = frame.body
        self.attempts = frame.attempts & 0xFFFF  # ansq reads nsqd's uint16 as if it had a sign
        self.timestamp = frame.timestamp
        self.received_at = received_at
        self.owned_until = received_at + subscription.msg_timeout_s
        self.done = False
        self._subscription = subscription
        self._lost = False
        self.when_lost: Callable[[], None] | None = None

    @property
    def topic(self) -> str:
        """The topic it was published to."""
        return self._subscription.topic

    @property
    def nsqd(self) -> str:
        """The `host:port` of the nsqd it came from."""
        return self._subscription.connection.address

    @property
    def is_lost(self) -> bool:
        """Whether it is lost, by the clock of this moment."""
        if not self._lost and not self.done and self._subscription.clock() >= self.owned_until:
            self._subscription.lose(self)
        return self._lost

    async def fin(self) -> bool:
        """Finishes it. There is no answer: a FIN that dies with its connection means another delivery.

        Returns:
            Whether it was still owned; if not, nothing was sent.
        """
        return self._subscription.fin(self)

    async def req(self, delay_s: float = 0) -> bool:
        """Hands it back, to be delivered again after `delay_s` seconds (a killed nsqd forgets what is delayed).

        Returns:
            As `fin`.
        """
        return self._subscription.req(self, delay_s)

    async def touch(self) -> bool:
        """Begins its msg-timeout anew. The consumer does so by itself for as long as it was told to.

        Returns:
            Whether it is owned, and the TOUCH was sent.
        """
        return self._subscription.touch(self)

    def mark_lost(self) -> None:
        """Tells the holder that it is lost; for the subscription's use."""
        self._lost = True
        if self.when_lost is not None:
            self.when_lost()

"""What can go wrong between here and nsqd, sorted by what the caller can do about it.

The codes of error frames are those of nsqd (https://nsq.io/clients/tcp_protocol_spec.html and nsqd/protocol_v2.go).
"""

from typing import ClassVar


class NsqError(Exception):
    """Anything that NSQ, or the way to it, did not do."""


class ConnectionLost(NsqError):
    """The connection ended; what it had not acknowledged may or may not have been done."""


class OperationTimeout(NsqError):
    """No answer within the deadline; it may still have been done, or be done yet."""


class NoConnection(NsqError):
    """No live nsqd to publish to until the deadline, or the producer is stopped. Nothing was sent last."""


class FrameError(NsqError):
    """nsqd answered with an error frame.

    Attributes:
        code: nsqd's code, as `E_BAD_TOPIC`.
        text: nsqd's sentence about it.
    """

    codes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class BadRequest(FrameError):
    """What was asked for can't be done by any nsqd: repeating it changes nothing."""

    codes = ("E_INVALID",)


class BadTopic(BadRequest):
    """The topic's name is not one."""

    codes = ("E_BAD_TOPIC",)


class BadChannel(BadRequest):
    """The channel's name is not one."""

    codes = ("E_BAD_CHANNEL",)


class BadMessage(BadRequest):
    """A message is empty, or larger than nsqd's --max-msg-size."""

    codes = ("E_BAD_MESSAGE",)


class BadBody(BadRequest):
    """The body of an IDENTIFY or an MPUB is empty, malformed, or larger than nsqd's --max-body-size."""

    codes = ("E_BAD_BODY",)


class PublishFailed(FrameError):
    """This nsqd could not take it (its disk, or a topic on its way out); another one may."""

    codes = ("E_PUB_FAILED", "E_MPUB_FAILED", "E_DPUB_FAILED", "E_PUT_FAILED")


class FinFailed(FrameError):
    """The message was not this connection's any more: it has been or will be delivered again."""

    codes = ("E_FIN_FAILED",)


class ReqFailed(FrameError):
    """As `FinFailed`, for a REQ."""

    codes = ("E_REQ_FAILED",)


class TouchFailed(FrameError):
    """As `FinFailed`, for a TOUCH."""

    codes = ("E_TOUCH_FAILED",)


_KINDS: tuple[type[FrameError], ...] = (
    BadRequest,
    BadTopic,
    BadChannel,
    BadMessage,
    BadBody,
    PublishFailed,
    FinFailed,
    ReqFailed,
    TouchFailed,
)
_BY_CODE = {code: kind for kind in _KINDS for code in kind.codes}
CODES = frozenset(_BY_CODE)
"""All that are known here."""
UNSOLICITED = frozenset(FinFailed.codes + ReqFailed.codes + TouchFailed.codes)
"""Codes that answer commands which have no answer when they succeed; they are paired with nothing."""


def from_frame(code: str, text: str) -> FrameError:
    """The typed error of an error frame; `FrameError` itself for a code that is not known here."""
    return _BY_CODE.get(code, FrameError)(code, text)

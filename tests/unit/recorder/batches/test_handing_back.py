"""For how long commands about batches go back to nsqd, and until when they may be on their way."""

import random
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from services.recorder.batches.handing_back import FIRST_S, MOST_S, ON_ITS_WAY_S, HandingBack, pause_s
from services.recorder.batches.handlers import BatchRecorder
from services.recorder.inbox import Inbox
from services.recorder.metrics import Metrics
from shared import topics


@dataclass
class Delivery:
    """What is asked of a message."""

    attempts: int = 1
    topic: str = topics.COMMANDS.name
    delays_s: list[float] = field(default_factory=list)

    async def req(self, delay_s: float) -> bool:
        self.delays_s.append(delay_s)
        return True


def test_pauses_double_up_to_a_few_seconds_and_are_spread() -> None:
    rng = random.Random(1)
    for attempts, ceiling_s in [(1, FIRST_S), (2, 2 * FIRST_S), (5, MOST_S), (65_535, MOST_S)]:
        pauses = {pause_s(attempts, rng) for _ in range(100)}
        assert ceiling_s / 2 <= min(pauses) < max(pauses) <= ceiling_s
        assert len(pauses) > 90


async def test_what_is_handed_back_is_awaited_until_it_should_be_here() -> None:
    now_s, reasons = 0.0, list[str]()
    handing_back = HandingBack(reasons.append, rng=random.Random(1), clock=lambda: now_s)
    assert not handing_back.is_under_way()
    late, early = Delivery(attempts=9), Delivery()
    await handing_back.hand_back(as_message(late), "in_use")
    await handing_back.hand_back(as_message(early), "crowded")
    assert reasons == ["in_use", "crowded"]
    (latest_s,) = late.delays_s
    now_s = latest_s + ON_ITS_WAY_S - 0.001
    assert handing_back.is_under_way()
    now_s = latest_s + ON_ITS_WAY_S
    assert not handing_back.is_under_way()


async def test_an_upload_is_not_silent_whose_commands_are_still_to_come() -> None:
    now_s, inbox, metrics = 0.0, Inbox(), Metrics(CollectorRegistry())
    handing_back = HandingBack(metrics.handed_back, rng=random.Random(1), clock=lambda: now_s)
    nothing: Any = None
    recorder = BatchRecorder(
        inbox=inbox,
        producer=nothing,
        database=nothing,
        metrics=metrics,
        handing_back=handing_back,
        wake=lambda: None,
    )
    assert not recorder.hears()
    await handing_back.hand_back(as_message(Delivery()), "in_use")
    assert recorder.hears()
    now_s = MOST_S + ON_ITS_WAY_S
    assert not recorder.hears()
    inbox.put(as_message(Delivery()))
    assert recorder.hears()


def as_message(delivery: Delivery) -> Any:
    return delivery

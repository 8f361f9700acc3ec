import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from deploy.local.interrupts import Interrupts


@dataclass
class Signals:
    """Interrupts, installed, and the clock that they see."""

    time_s: float = 100.0
    interrupts: Interrupts = field(init=False)

    def __post_init__(self) -> None:
        self.interrupts = Interrupts(lambda: self.time_s)
        self.interrupts.install()

    def send(self, number: signal.Signals, *, after_s: float = 0.0) -> None:
        self.time_s += after_s
        os.kill(os.getpid(), number)


@pytest.fixture
def signals() -> Iterator[Signals]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield Signals()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts(signals: Signals, number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        signals.send(number)

    assert signals.interrupts.count == 1


def test_a_later_signal_is_only_counted(signals: Signals) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signals.send(signal.SIGTERM)

    signals.send(signal.SIGINT, after_s=1.5)

    assert signals.interrupts.count == 2


def test_signals_close_together_are_one_request(signals: Signals) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signals.send(signal.SIGTERM)

    signals.send(signal.SIGTERM, after_s=0.01)

    assert signals.interrupts.count == 1


def interrupted_block(signals: Signals, reached: list[str]) -> None:
    with signals.interrupts.held():
        signals.send(signal.SIGHUP)
        reached.append("end of the block")
    reached.append("after the block")


def test_a_held_block_runs_to_its_end(signals: Signals) -> None:
    reached: list[str] = []

    with pytest.raises(KeyboardInterrupt):
        interrupted_block(signals, reached)

    assert reached == ["end of the block"]


def test_what_is_held_for_good_is_never_interrupted(signals: Signals) -> None:
    with signals.interrupts.held(for_good=True):
        signals.send(signal.SIGTERM)
    signals.send(signal.SIGTERM, after_s=2.0)

    assert signals.interrupts.count == 2


def test_a_signal_that_is_ignored_from_the_start_stays_so() -> None:
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    others = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        interrupts = Interrupts()
        interrupts.install()
        os.kill(os.getpid(), signal.SIGHUP)
        assert interrupts.count == 0
    finally:
        signal.signal(signal.SIGHUP, before)
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), others, strict=True):
            signal.signal(number, handler)

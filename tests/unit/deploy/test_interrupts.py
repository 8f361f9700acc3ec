import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from deploy.local.interrupts import Interrupts


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    installed = Interrupts()
    installed.install()
    yield installed
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_the_first_signal_interrupts(interrupts: Interrupts) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)

    assert interrupts.count == 1


def test_later_signals_are_only_counted(interrupts: Interrupts) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)

    os.kill(os.getpid(), signal.SIGINT)

    assert interrupts.count == 2


def interrupted_block(interrupts: Interrupts, reached: list[str]) -> None:
    with interrupts.held():
        os.kill(os.getpid(), signal.SIGHUP)
        reached.append("end of the block")
    reached.append("after the block")


def test_a_held_block_runs_to_its_end(interrupts: Interrupts) -> None:
    reached: list[str] = []

    with pytest.raises(KeyboardInterrupt):
        interrupted_block(interrupts, reached)

    assert reached == ["end of the block"]


def test_what_is_held_for_good_is_never_interrupted(interrupts: Interrupts) -> None:
    with interrupts.held(for_good=True):
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)

    assert interrupts.count == 2

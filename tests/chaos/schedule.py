"""What happens in which order: the long form, and shorter ones of the same."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.acceptance.victims import KINDS
from tests.chaos.troubles import (
    Trouble,
    fetchers_stopped,
    gateway_killed_in_an_upload,
    killed,
    nsqd_wiped,
    postgres_frozen,
    rolled,
    upload_left,
)

KILLS_A_ROUND = 5
"""Within about one lease: then what the first one left behind is done when the round is over."""
ROLLS_A_ROUND = 5


@dataclass(frozen=True, slots=True)
class Form:
    """How much of it there is.

    Attributes:
        checks: are asked for in all, at least.
        kills: of each kind.
        stopped: how many fetchers stand still, each time.
        frozen_s: how long PostgreSQL stands still, each time.
        broken: uploads that are broken off by their client, and as many by the death of their gateway.
        each_kind_apart: kinds have rounds of their own, so that the fetches that each costs are known.
    """

    checks: int
    kills: int
    rolls: int
    stopped: Sequence[int]
    wiped: int
    frozen_s: Sequence[float]
    broken: int
    each_kind_apart: bool = True


FORMS = {
    "short": Form(1_200, 2, 1, (1,), 1, (12,), 1, each_kind_apart=False),
    "medium": Form(3_000, 5, 3, (2,), 1, (30,), 1),
    "long": Form(10_000, 20, 20, (1, 2, 3), 3, (30, 30), 3),
}

Rounds = Iterator[tuple[str, list[Trouble]]]


def rounds(form: Form, rng: random.Random) -> Rounds:
    """The rounds of a form, each with its name and what happens in it, one after the other."""
    kills = [(kind, part) for kind in KINDS for part in _parts([killed(kind)] * form.kills, KILLS_A_ROUND)]
    stops = [fetchers_stopped(count) for count in form.stopped]
    wipes: list[Trouble] = [nsqd_wiped] * form.wiped
    freezes = [postgres_frozen(for_s) for for_s in form.frozen_s]
    breaks: list[Trouble] = [upload_left, gateway_killed_in_an_upload] * form.broken
    if not form.each_kind_apart:
        # Last what leaves work for when leases end: so that is done when nothing else dies any more.
        yield "each kind", [*breaks, *(trouble for _, part in reversed(kills) for trouble in part)]
        yield "other trouble", [*freezes, *wipes, *stops, *[rolled] * form.rolls]
        return
    yield "uploads broken off", breaks
    yield from rng.sample(kills, len(kills))
    yield from (("fetchers stopped", [stop]) for stop in stops)
    yield from (("nsqd wiped", [wipe]) for wipe in wipes)
    yield from (("postgres frozen", [freeze]) for freeze in freezes)
    yield from (("rolling", part) for part in _parts([rolled] * form.rolls, ROLLS_A_ROUND))


def _parts(troubles: list[Trouble], most: int) -> Iterator[list[Trouble]]:
    for begin in range(0, len(troubles), most):
        yield troubles[begin : begin + most]

"""What happens in which order: the long form, and shorter ones of the same."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.acceptance.victims import KINDS
from tests.chaos.troubles import (
    SEVERAL,
    Trouble,
    fetchers_stopped,
    gateway_killed_in_an_upload,
    killed,
    nsqd_wiped,
    one_of_each_dead,
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
        kills: of each kind; in a form of one round, of the kinds that there is but one of.
        dead_s: how long one of each kind is dead, all at once, each time.
        stopped: how many fetchers stand still, each time.
        frozen_s: how long PostgreSQL stands still, each time.
        broken: uploads that are broken off by their client, and as many by the death of their gateway.
        each_kind_apart: kinds have rounds of their own, so that the fetches that each costs are known; else all of it
            is one round, and the leases that are waited for are waited for once.
    """

    checks: int
    kills: int
    dead_s: Sequence[float]
    rolls: int
    stopped: Sequence[int]
    wiped: int
    frozen_s: Sequence[float]
    broken: int
    each_kind_apart: bool = True


# What takes longest is left out of the short form: `make test` has fetchers that are stopped past their leases and a
# frozen PostgreSQL besides (tests/acceptance/test_leases.py, test_trouble.py).
FORMS = {
    "short": Form(
        checks=1_000, kills=1, dead_s=(5,), rolls=1, stopped=(), wiped=1, frozen_s=(), broken=1, each_kind_apart=False
    ),
    "medium": Form(checks=3_000, kills=5, dead_s=(15,), rolls=3, stopped=(2,), wiped=1, frozen_s=(30,), broken=1),
    "long": Form(
        checks=10_000, kills=20, dead_s=(20, 20), rolls=20, stopped=(1, 2, 3), wiped=3, frozen_s=(30, 30), broken=3
    ),
}

Rounds = Iterator[tuple[str, list[Trouble]]]


def rounds(form: Form, rng: random.Random) -> Rounds:
    """The rounds of a form, each with its name and what happens in it, one after the other."""
    kinds = KINDS if form.each_kind_apart else [kind for kind in KINDS if kind not in SEVERAL]
    kills = [(kind, part) for kind in kinds for part in _parts([killed(kind)] * form.kills, KILLS_A_ROUND)]
    deaths = [one_of_each_dead(for_s) for for_s in form.dead_s]
    stops = [fetchers_stopped(count) for count in form.stopped]
    wipes: list[Trouble] = [nsqd_wiped] * form.wiped
    freezes = [postgres_frozen(for_s) for for_s in form.frozen_s]
    breaks: list[Trouble] = [upload_left, gateway_killed_in_an_upload] * form.broken
    if not form.each_kind_apart:
        # First what leaves work for when leases or silent uploads end: that passes while the rest happens.
        alone = [trouble for _, part in kills for trouble in part]
        yield "everything", [*breaks, *wipes, *stops, *deaths, *alone, *freezes, *[rolled] * form.rolls]
        return
    yield "uploads broken off", breaks
    yield from rng.sample(kills, len(kills))
    yield from (("one of each dead", [death]) for death in deaths)
    yield from (("fetchers stopped", [stop]) for stop in stops)
    yield from (("nsqd wiped", [wipe]) for wipe in wipes)
    yield from (("postgres frozen", [freeze]) for freeze in freezes)
    yield from (("rolling", part) for part in _parts([rolled] * form.rolls, ROLLS_A_ROUND))


def _parts(troubles: list[Trouble], most: int) -> Iterator[list[Trouble]]:
    for begin in range(0, len(troubles), most):
        yield troubles[begin : begin + most]

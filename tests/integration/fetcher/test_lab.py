"""Every hazard of the lab, met by a whole fetcher: each comes to what the lab's table says."""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

import pytest

from deploy.lab.certificates import bundle
from deploy.lab.doors import NAME, Door, Doors
from deploy.lab.hazard import Hazard
from deploy.lab.hazards import HAZARDS
from deploy.lab.lab import Lab
from services.fetcher.counting import Question
from services.fetcher.reading.limits import Limits
from shared.errors import is_retried
from shared.messages import AttemptFinished
from tests import factories
from tests.integration.fetcher.stack import Stack, running
from tests.integration.servers import Nsqd, eventually, free_port

TIMEOUT_S = 9.0
"""Of an attempt; a third of it for connecting, and half of it for silence."""
LIMITS = Limits(cpu_s=2)
"""A fifth of it is enough for those pages that can be read."""
WITHIN_S = 60.0
AT_ONCE = 32


def name_of(hazard: Hazard) -> str:
    return f"{hazard.door.name.lower()} {hazard.scheme or ''}{hazard.at}"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Hazard, AttemptFinished]]:
    """What came of one attempt at each, all of them made by one fetcher."""
    authorities = tmp_path_factory.mktemp("lab") / "authorities.pem"
    doors = Doors({door: free_port() for door in Door})
    with Lab(doors, trusted=True, gateway="http://127.0.0.1:8080") as lab, pytest.MonkeyPatch.context() as environ:
        authorities.write_bytes(bundle(lab.certificates.authority))
        environ.setenv("SSL_CERT_FILE", str(authorities))  # OpenSSL's own, as `make lab` sets it
        yield asyncio.run(_meet_all(doors))


async def _meet_all(doors: Doors) -> dict[Hazard, AttemptFinished]:
    settings = {
        "WORDWATCH_FETCH_TIMEOUT_S": str(TIMEOUT_S),
        "WORDWATCH_ALLOW_TARGETS": ",".join(doors.targets),
        # Or those that wait would hold up the others of their host.
        "WORDWATCH_TRUSTED_HOSTS": ",".join([*doors.targets, f"{NAME}:{doors.ports[Door.WEB]}"]),
        "WORDWATCH_MAX_IN_FLIGHT": str(len(HAZARDS)),
    }
    async with Nsqd() as nsqd, running(nsqd, parts={"limits": LIMITS}, **settings) as stack:
        met = await _meet(stack, doors, (each for each in HAZARDS if each.waits))
        # Those that a clock decides must not lose the processor to the others; but their waits may overlap.
        others = sorted((each for each in HAZARDS if not each.waits), key=lambda each: each.heavy)
        for start in range(0, len(others), AT_ONCE):
            wave = await _meet(stack, doors, others[start : start + AT_ONCE])
            await _ended(stack, wave)
            met |= wave
        outcomes = await stack.outcomes(len(met), timeout_s=WITHIN_S)
    return {hazard: outcomes[check_id] for check_id, hazard in met.items()}


async def _ended(stack: Stack, wave: Collection[UUID]) -> None:
    await eventually(
        lambda: {report.check_id for report in stack.of(AttemptFinished)}.issuperset(wave), timeout_s=WITHIN_S
    )


async def _meet(stack: Stack, doors: Doors, hazards: Iterable[Hazard]) -> dict[UUID, Hazard]:
    """Has all of them checked; returns which check is of which."""
    checks = [
        (factories.claimed(url=each.url(doors), host=each.url(doors), question=Question(words=each.words)), each)
        for each in hazards
    ]
    await stack.send(*(check for check, _ in checks))
    return {check.check_id: each for check, each in checks}


@pytest.mark.parametrize("hazard", HAZARDS, ids=name_of)
def test_a_hazard_comes_to_what_the_table_says(hazard: Hazard, outcomes: dict[Hazard, AttemptFinished]) -> None:
    outcome = outcomes[hazard]
    if outcome.error is not None:
        assert outcome.error.code == hazard.expects, outcome
        assert outcome.error.retry == is_retried(outcome.error.code, hazard.status), outcome
    else:
        assert outcome.counted is not None
        assert outcome.counted.counts == hazard.expects, outcome
    if hazard.status is not None:
        assert outcome.facts.http_status == hazard.status
    if hazard.door in {Door.EXPIRED, Door.OTHER_NAME, Door.SILENT}:  # known before there is any answer
        assert outcome.facts.address == "127.0.0.1"
        assert {"dns", "connect"} <= set(outcome.facts.timings_ms)

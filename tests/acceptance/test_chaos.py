"""The short form of `make chaos`: checks and batches come in while everything dies, stands still or restarts."""

import pytest

from tests.acceptance.victims import seeded
from tests.chaos.run import chaos
from tests.chaos.schedule import FORMS


@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_wrong_while_everything_dies_in_turn() -> None:
    verdict = await chaos(FORMS["short"], seeded("chaos short"), print)
    print(*verdict.lines(), sep="\n")
    assert verdict.missed == []

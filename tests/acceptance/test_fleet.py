"""A fleet judges what was stored in it, whatever it was for."""

import pytest

from tests.acceptance.fleet import fleet


async def test_a_fleet_fails_at_its_end_when_what_is_stored_does_not_agree() -> None:
    with pytest.raises(AssertionError, match="the list of cancelled checks is that: 1, "):
        async with fleet(gateways=0, recorders=0, schedulers=0, fetchers=0, lookupds=0) as stack:
            await stack.postgres.ask("INSERT INTO cancelled VALUES (gen_random_uuid())")

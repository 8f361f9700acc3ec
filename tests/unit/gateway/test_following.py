import asyncio
from collections.abc import Sequence
from typing import cast
from uuid import UUID

import pytest

from services.gateway.commands import Refused
from services.gateway.following import Follower
from services.gateway.store import Store
from services.gateway.views import CheckView, check_view
from services.gateway.waiting import Found, Waiting
from shared.messages import ChangedCheck, Recorded, Status
from tests.unit.gateway.test_views import ID, a_row


class Database:
    """One check, and how often it was read."""

    def __init__(self) -> None:
        self.status: Status | None = "queued"
        self.reads: asyncio.Queue[None] = asyncio.Queue()

    async def check(self, check_id: UUID, *, timeout_s: float) -> CheckView | None:
        assert check_id == ID
        self.reads.put_nowait(None)
        await asyncio.sleep(0)
        return None if self.status is None else check_view(a_row(status=self.status))


async def _nothing(checks: Sequence[UUID], commands: Sequence[UUID]) -> Found:
    return Found({}, [])


def _parts() -> tuple[Database, Waiting, Follower]:
    database, waiting = Database(), Waiting(_nothing, unavailable=ConnectionError)
    return database, waiting, Follower(cast("Store", database), waiting)


def _hint(status: Status) -> Recorded:
    return Recorded(checks=(ChangedCheck(id=ID, status=status),))


async def test_old_news_of_a_check_that_is_open_again_end_no_waiting() -> None:
    database, waiting, follower = _parts()
    following = asyncio.create_task(follower.follow(ID, wait_s=30))
    await database.reads.get()
    waiting.hint(_hint("failed"))  # of the run before this one
    await database.reads.get()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not following.done()
    assert database.reads.empty()  # nor is it read again and again
    database.status = "done"
    waiting.hint(_hint("done"))
    assert (await following).status == "done"


@pytest.mark.parametrize("wait_s", [0, 30])
async def test_a_check_that_is_not_there_any_more_was_deleted(wait_s: float) -> None:
    database, _, follower = _parts()
    database.status = None
    with pytest.raises(Refused) as caught:
        await follower.follow(ID, wait_s=wait_s)
    assert caught.value.outcome == "deleted"


async def test_without_time_to_wait_it_is_read_once() -> None:
    database, _, follower = _parts()
    found = await follower.follow(ID)
    assert (found.status, database.reads.qsize()) == ("queued", 1)

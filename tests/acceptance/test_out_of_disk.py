"""nsqd or PostgreSQL without room on its disk: wordwatch waits or says 503, and comes back when there is room again."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.small_disk import MIB, SmallDisk, small_disk
from tests.acceptance.trouble import at_work
from tests.integration.servers import Nsqd

pytestmark = pytest.mark.timeout(300)

FULL_S = 8.0


async def move(nsqd: Nsqd, disk: SmallDisk) -> None:
    """Starts it anew with its data on the disk."""
    await nsqd.stop()
    nsqd.data = disk.path / "nsqd"
    nsqd.data.mkdir()
    await nsqd.start()


async def full(disk: SmallDisk, for_s: float) -> None:
    disk.fill()
    await asyncio.sleep(for_s)
    disk.make_room()


async def test_the_only_nsqd_has_no_room_and_has_some_again() -> None:
    with small_disk(16 * MIB) as disk:
        async with fleet(gateways=2, fetchers=2) as stack:
            await move(stack.nsqds[0], disk)
            async with at_work(stack) as trouble:
                await trouble.go_through("nsqd's disk full", lambda: full(disk, FULL_S), missing="nsqd")


@pytest.mark.long
async def test_one_of_two_nsqds_without_room_is_done_without() -> None:
    with small_disk(16 * MIB) as disk:
        async with fleet(gateways=2, fetchers=2, nsqds=2, lookupds=2) as stack:
            await move(stack.nsqds[0], disk)
            async with at_work(stack) as trouble:
                trouble.must_accept = True
                await trouble.go_through("one of two nsqds' disks full", lambda: full(disk, 2 * FULL_S))


@pytest.mark.long
async def test_an_nsqd_that_was_killed_while_its_disk_was_full_comes_back_with_room() -> None:
    with small_disk(16 * MIB) as disk:
        async with fleet(gateways=2, fetchers=2) as stack:
            nsqd = stack.nsqds[0]
            await move(nsqd, disk)

            async def killed() -> None:
                disk.fill()
                await asyncio.sleep(FULL_S / 2)
                await nsqd.kill()
                await asyncio.sleep(FULL_S / 2)
                disk.make_room()
                await nsqd.start()

            async with at_work(stack) as trouble:
                await trouble.go_through("nsqd's disk full, and it killed", killed, missing="nsqd")


@pytest.mark.long
async def test_a_database_without_room_for_rows_and_then_for_its_log() -> None:
    with small_disk(128 * MIB) as disk:
        async with (
            fleet(gateways=2, fetchers=2, postgres_data=disk.path / "postgres") as stack,
            at_work(stack) as trouble,
        ):
            await trouble.go_through("PostgreSQL's disk full: rows", lambda: no_room_for_rows(stack, disk, FULL_S))
            await trouble.go_through("PostgreSQL's disk full: log", lambda: no_room_for_log(stack, disk, FULL_S))


async def no_room_for_rows(stack: Fleet, disk: SmallDisk, for_s: float) -> None:
    before = stack.postgres.log.count("No space left on device")
    await full(disk, for_s)
    assert stack.postgres.log.count("No space left on device") > before
    assert "PANIC" not in stack.postgres.log


async def no_room_for_log(stack: Fleet, disk: SmallDisk, for_s: float) -> None:
    disk.fill()
    while "PANIC" not in stack.postgres.log:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await stack.postgres.ask("SELECT pg_switch_wal()")  # the next segment has to be made
        await asyncio.sleep(0.1)
    await asyncio.sleep(for_s)
    disk.make_room()
    if not stack.postgres.is_running:  # it gives up when it can't even start
        await stack.postgres.kill()
        await stack.postgres.start()  # as a supervisor does

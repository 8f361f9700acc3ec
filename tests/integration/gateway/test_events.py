"""Following what changes: no gap and no flood, at one gateway and from one to another."""

import asyncio
import itertools
import time
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from services.gateway.events.groups import MOST_AT_ONCE
from shared.ids import batch_id, check_of, new_id
from tests.integration.gateway import rows
from tests.integration.gateway.following import EVENTS, following
from tests.integration.gateway.stack import Stack
from tests.integration.servers import free_port

_BATCH = """
INSERT INTO batches (id, question, status, total, queued, filed, trace, running_since)
VALUES ($1, gen_random_uuid(), 'running', $2, $2, $2, '', clock_timestamp())
"""
_LINES = """
INSERT INTO checks (id, url, host, question, bulk, trace, status)
SELECT check_of($1, n), 'http://a/' || n, 'a', gen_random_uuid(), true, '', 'queued'
FROM generate_series(1, $2::integer) n
"""
_DONE = """
UPDATE checks SET status = 'done', finished_at = clock_timestamp(), attempts = 1
WHERE id > check_of($1, $2) AND id <= check_of($1, $3)
"""
_COUNTED = "UPDATE batches SET done = done + $2, queued = queued - $2 WHERE id = $1"


async def _batch(stack: Stack, lines: int) -> UUID:
    batch = batch_id(new_id())
    await stack.execute(_BATCH, batch, lines)
    await stack.execute(_LINES, batch, lines)
    return batch


async def test_a_snapshot_comes_first_and_then_what_changes(door: Stack) -> None:
    old = await rows.add(door, url="http://old.example/", status="done")
    async with following(door.url) as stream:
        snapshot = await stream.next()
        assert (snapshot.kind, snapshot.states()) == ("snapshot", {old: "done"})
        assert snapshot.data["stats"]["checks"]["total"] == 1
        new = await rows.add(door, url="http://new.example/")
        assert (await stream.until_told({new: "queued"})).kind == "update"
        await rows.change(door, new, "finish")
        await stream.until_told({new: "done"})
        await rows.delete(door, new)
        event = await stream.until_told({new: "deleted"})
        assert [check for check in event.data["checks"] if check["id"] == new] == [{"id": new, "status": "deleted"}]


async def test_a_check_is_told_to_whoever_follows_it_through_all_of_its_life(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="example.org")
    other = await stack.post(url="other.example.org")
    async with following(stack.url, check_id=check["id"]) as stream:
        assert (await stream.next()).states() == {check["id"]: "queued"}
        await stack.started(check)
        await stream.until_told({check["id"]: "running"})
        await stack.finished(other)
        await stack.finished(check)
        event = await stream.until_told({check["id"]: "done"})
        assert event.states().keys() == {check["id"]}
        assert event.data["batches"] == []


async def test_a_batch_is_told_with_its_checks_and_its_progress(door: Stack) -> None:
    batch, other = await _batch(door, 4), await _batch(door, 4)
    async with following(door.url, batch_id=str(batch)) as stream:
        snapshot = await stream.next()
        assert [each["id"] for each in snapshot.data["batches"]] == [str(batch)]
        assert len(snapshot.states()) == 4
        for each in (other, batch):
            await door.execute(_DONE, each, 0, 1)
            await door.execute(_COUNTED, each, 1)
        event = await stream.until_told({str(check_of(batch, 1)): "done"})
        assert len(event.states()) == 1
        while not event.data["batches"]:
            event = await stream.next()
        [news] = event.data["batches"]
        assert (news["id"], news["done"], news["queued"], news["percent"]) == (str(batch), 1, 3, 25.0)
        await door.execute("UPDATE batches SET status = 'deleted' WHERE id = $1", batch)
        while event.data["batches"] != [{"id": str(batch), "status": "deleted"}]:
            event = await stream.next()


async def test_what_changed_meanwhile_is_told_by_whichever_gateway_is_asked_next(parts: Stack) -> None:
    async with parts.gateway():
        kept = await rows.add(parts, url="http://kept.example/")
        async with following(parts.url) as stream:
            last = (await stream.next()).id
        changed = await rows.add(parts, url="http://changed.example/")
    gone = await rows.add(parts, url="http://gone.example/")
    await rows.delete(parts, gone)
    port = free_port()
    async with parts.gateway(port=port), following(f"http://127.0.0.1:{port}", last) as stream:
        event = await stream.next()
        assert event.kind == "update"
        assert event.states() == {changed: "queued", gone: "deleted"}
        await rows.change(parts, kept, "finish")
        await stream.until_told({kept: "done"})


async def test_what_was_under_way_when_an_event_was_made_is_not_left_out(door: Stack) -> None:
    slow = await asyncpg.connect(door.database_url)
    late = await rows.add(door, url="http://late.example/")
    async with following(door.url) as stream:
        await stream.next()
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("UPDATE checks SET status = 'running' WHERE id = $1", UUID(late))
        early = await rows.add(door, url="http://early.example/")
        last = (await stream.until_told({early: "queued"})).id
        for _ in range(2):  # what is told once is not told twice meanwhile
            more = await rows.add(door, url="http://more.example/")
            assert early not in (await stream.until_told({more: "queued"})).states()
        await transaction.commit()
        await stream.until_told({late: "running"})
    async with following(door.url, last) as stream:
        await stream.until_told({late: "running"})
    await slow.close()


@pytest.mark.parametrize("last", ["1-1", "99999999999-1795350291", "nonsense", "1" * 30 + "-1", ""])
async def test_an_event_that_says_nothing_here_is_answered_with_a_snapshot(door: Stack, last: str) -> None:
    check = await rows.add(door, url="http://a.example/")
    async with following(door.url, last) as stream:
        event = await stream.next()
        assert (event.kind, event.states()) == ("snapshot", {check: "queued"})


async def test_too_much_to_tell_at_once_is_a_snapshot(door: Stack) -> None:
    async with following(door.url) as stream:
        last = (await stream.next()).id
    await _batch(door, MOST_AT_ONCE + 1)
    async with following(door.url, last) as stream:
        assert (await stream.next()).kind == "snapshot"


async def test_two_hundred_follow_a_batch_of_ten_thousand_without_gap_or_flood(door: Stack) -> None:
    lines, slice_ = 10_000, 500
    batch = await _batch(door, lines)
    everything = {str(check_of(batch, seq)): "done" for seq in range(1, lines + 1)}

    async def finish() -> None:
        for first in range(0, lines, slice_):
            await door.execute(_DONE, batch, first, first + slice_)
            await door.execute(_COUNTED, batch, slice_)

    async def follow(number: int, opened: asyncio.Barrier) -> None:
        query = {"batch_id": str(batch)} if number % 2 else {}
        async with following(door.url, **query) as stream:
            events = [await stream.next()]
            await opened.wait()
            told: dict[str, str] = {}
            while everything.items() - told.items():
                events.append(await stream.next(60))
                told |= events[-1].states()
            kinds = [event.kind for event in events]
            assert kinds == ["snapshot", *["update"] * (len(kinds) - 1)]
            assert all(len(event.data["checks"]) <= MOST_AT_ONCE for event in events)
            # By when they were read: what held the reader up makes two of them come together.
            updates = events[1:]
            assert len(updates) <= (updates[-1].at_s - events[0].at_s) / 0.5 + 2

    async def idle(opened: asyncio.Barrier) -> None:
        """Takes all that comes, and looks at nothing."""
        async with aiohttp.ClientSession(door.url) as http, http.get(EVENTS) as answer:
            await answer.content.readline()
            await opened.wait()
            async with asyncio.timeout(120):
                async for line in answer.content.iter_any():
                    if over.is_set():
                        return
                    assert line

    over = asyncio.Event()
    opened = asyncio.Barrier(201)
    readers = [asyncio.create_task(follow(number, opened)) for number in range(6)]
    others = [asyncio.create_task(idle(opened)) for _ in range(194)]
    async with asyncio.timeout(120):
        await opened.wait()
        await finish()
        await asyncio.gather(*readers)
        over.set()
        await rows.add(door, url="http://last.example/")
        await asyncio.gather(*others)


async def test_updates_keep_their_distance(door: Stack) -> None:
    check = await rows.add(door, url="http://a.example/")
    async with following(door.url, check_id=check) as stream:
        events = [await stream.next()]
        until_s = time.monotonic() + 4
        while time.monotonic() < until_s:
            await rows.change(door, check, "retry")
            await rows.change(door, check, "finish")
            events.append(await stream.next())
        gaps = [after.at_s - before.at_s for before, after in itertools.pairwise(events)]
        assert sum(gaps) / len(gaps) > 0.45


async def test_a_gateway_that_stops_ends_its_streams_in_order(parts: Stack) -> None:
    async with parts.gateway():
        opened = following(parts.url)
        stream = await opened.__aenter__()
        await stream.next()
    await stream.to_its_end()
    await opened.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("query", "status", "pointers"),
    [
        ({"check_id": "x"}, 422, ["/check_id"]),
        ({"batch_id": "x", "what": "x"}, 422, ["/batch_id", "/what"]),
        ({"batch_id": str(new_id()), "check_id": str(new_id())}, 422, ["/batch_id"]),
        ({"check_id": str(new_id())}, 404, []),
        ({"batch_id": str(new_id())}, 404, []),
    ],
)
async def test_what_can_not_be_followed_is_said(
    door: Stack, query: dict[str, str], status: int, pointers: list[str]
) -> None:
    problem = await door.get(EVENTS, params=query, status=status)
    assert [error["pointer"] for error in problem["errors"]] == pointers


async def test_head_tells_what_a_stream_is_like_and_ends(door: Stack) -> None:
    async with door.http.head(EVENTS) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"

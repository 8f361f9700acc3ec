"""Rule 4: a key gives one check, whichever gateway answers, however often, and whatever gets lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.ids import new_id
from shared.messages import Counted
from tests.integration.gateway.stack import CHECKS, Stack

KEY = {"Idempotency-Key": "k"}


@pytest.fixture
async def two(parts: Stack) -> AsyncIterator[tuple[Stack, Stack]]:
    """Two gateways with the same database and nsqd, and a recorder."""
    other = Stack(parts.database_url, parts.nsqd)
    async with parts.recorder(), parts.gateway(), other, other.gateway():
        yield parts, other


async def _count(stack: Stack) -> int:
    return int(await stack.ask("SELECT count(*) FROM checks"))


async def test_rule_4_the_same_request_to_both_at_once_is_one_check(two: tuple[Stack, Stack]) -> None:
    # Defaults are applied before bodies are compared; Prefer is no part of one; "k" is k.
    bodies: list[dict[str, Any]] = [
        {"url": "example.org"},
        {"url": "http://EXAMPLE.org:80/#x", "words": ["python"], "label": None, "scope": "text"},
        {"url": "example.org", "whole_word": True, "case_sensitive": False},
    ]
    headers = [KEY, {"Idempotency-Key": '"k"'}, KEY | {"Prefer": "wait=0"}, KEY | {"Prefer": "nonsense"}]
    asked = [(gateway, body, header) for gateway in two for body in bodies for header in headers]
    answers = await asyncio.gather(*(gateway.post(body, headers=header) for gateway, body, header in asked))
    assert len({answer["id"] for answer in answers}) == 1
    assert await _count(two[0]) == 1


@pytest.mark.parametrize("hints", [True, False])
async def test_rule_4_of_different_bodies_at_once_exactly_one_wins(two: tuple[Stack, Stack], hints: bool) -> None:
    if not hints:
        await two[0].pause_hints()
    answers = await asyncio.gather(
        *(two[number % 2].post(url=f"example.org/{number}", headers=KEY, status=None) for number in range(12))
    )
    (won,) = [answer for answer in answers if "code" not in answer]
    lost = [answer for answer in answers if "code" in answer]
    assert {(answer["status"], answer["code"]) for answer in lost} == {(422, "idempotency_key_reused")}
    assert await two[0].ask("SELECT url FROM checks") == won["url"]
    again = await two[1].post(url=won["url"], headers=KEY)
    assert again["id"] == won["id"]
    assert await _count(two[0]) == 1


@pytest.mark.parametrize("age", ["23 h 59 min", "24 h 1 s"])
async def test_rule_4_a_key_is_kept_for_a_day(stack: Stack, age: str) -> None:
    check = await stack.post(url="example.org", headers=KEY)
    await stack.execute("UPDATE keys SET created_at = created_at - $1::text::interval", age)
    if age.startswith("24"):
        other = await stack.post(url="example.org/other", headers=KEY)
        assert other["id"] != check["id"]
        assert (await stack.post(url="example.org/other", headers=KEY))["id"] == other["id"]
        assert (await stack.get(f"{CHECKS}/{check['id']}"))["url"] == "http://example.org/"
    else:
        await stack.post(url="example.org/other", headers=KEY, status=422)
        assert (await stack.post(url="example.org", headers=KEY))["id"] == check["id"]


async def test_rule_4_deleting_the_check_frees_the_key(two: tuple[Stack, Stack]) -> None:
    check = await two[0].post(url="example.org", headers=KEY)
    await two[1].ask_to("delete", check["id"], status=204)
    other = await two[0].post(url="example.org/other", headers=KEY)
    assert other["id"] != check["id"]
    assert (await two[1].post(url="example.org/other", headers=KEY))["id"] == other["id"]


async def test_rule_4_a_retry_leaves_the_key_with_its_check(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="example.org", headers=KEY)
    await stack.ask_to("cancel", check["id"], status=200)
    assert (await stack.post(url="example.org", headers=KEY, status=200))["status"] == "cancelled"
    await stack.ask_to("retry", check["id"], status=202)
    assert (await stack.post(url="example.org", headers=KEY))["id"] == check["id"]
    counted = Counted(counts={"python": 1}, total=1, rule_version=1)
    await stack.finished(check, counted=counted, attempt=2, run=2)
    assert (await stack.post(url="example.org", headers=KEY, status=200))["total"] == 1


async def test_a_repeat_that_waits_gets_the_check_when_it_is_final(two: tuple[Stack, Stack]) -> None:
    await two[0].fetchers_are_there()
    check = await two[0].post(url="example.org", headers=KEY)
    waiting = asyncio.create_task(two[1].post(url="example.org", headers=KEY | {"Prefer": "wait=30"}, status=200))
    await asyncio.wait({waiting}, timeout=0.3)
    await two[0].finish(check, counted=Counted(counts={"python": 1}, total=1, rule_version=1))
    assert (await waiting)["total"] == 1


async def test_rule_1_a_submission_whose_check_was_deleted_meanwhile_says_so(parts: Stack) -> None:
    # As when the command comes again after that: here the outcome is written in the recorder's stead.
    async with parts.gateway():
        asking = asyncio.create_task(parts.post(url="example.org", status=404))
        await parts.outcome_of_next_command("deleted", new_id())
        problem = await asking
    assert (problem["code"], "deleted" in problem["detail"]) == ("not_found", True)


async def test_rule_2_without_any_hint_the_check_of_a_key_is_found_all_the_same(two: tuple[Stack, Stack]) -> None:
    await two[0].pause_hints()
    answers = await asyncio.gather(*(gateway.post(url="example.org", headers=KEY) for gateway in two * 5))
    assert len({answer["id"] for answer in answers}) == 1

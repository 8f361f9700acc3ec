"""Cancelling, retrying and deleting checks, and the history of their attempts."""

import asyncio
import time
from typing import Any

import pytest

from shared.errors import ERRORS
from shared.ids import new_id
from shared.messages import AttemptError, Counted, PageFacts
from tests.integration.gateway.stack import CHECKS, Stack
from tests.integration.servers import eventually

ONE = Counted(counts={"python": 1}, total=1, rule_version=1)
NOT_FOUND = AttemptError(code="dns_not_found")
CHANGES = ("cancel", "retry", "delete")


async def _attempts(stack: Stack, check: dict[str, Any]) -> list[dict[str, Any]]:
    return list((await stack.get(f"{CHECKS}/{check['id']}/attempts"))["items"])


async def _failed(stack: Stack, **fields: Any) -> dict[str, Any]:
    """A check that has failed at its first attempt."""
    await stack.fetchers_are_there()
    check = await stack.post(**{"url": "http://no-such-host.example/"} | fields)
    return await stack.finished(check, error=NOT_FOUND, facts=PageFacts())


class TestCancel:
    async def test_it_answers_with_the_check_as_it_is_then(self, stack: Stack) -> None:
        check = await stack.post(url="example.org")
        cancelled = await stack.ask_to("cancel", check["id"], status=200)
        assert (cancelled["id"], cancelled["status"], cancelled["counts"]) == (check["id"], "cancelled", None)
        assert cancelled["error"] is None
        assert cancelled == await stack.get(f"{CHECKS}/{check['id']}")

    async def test_a_second_time_says_the_same(self, stack: Stack) -> None:
        check = await stack.post(url="example.org")
        first = await stack.ask_to("cancel", check["id"], status=200)
        assert await stack.ask_to("cancel", check["id"], status=200) == first

    @pytest.mark.parametrize("outcome", [{"counted": ONE}, {"error": NOT_FOUND}])
    async def test_what_has_ended_is_a_conflict(self, stack: Stack, outcome: dict[str, Any]) -> None:
        await stack.fetchers_are_there()
        check = await stack.finished(await stack.post(url="example.org"), **outcome)
        assert (await stack.ask_to("cancel", check["id"], status=409))["code"] == "already_finished"
        assert await stack.get(f"{CHECKS}/{check['id']}") == check

    async def test_who_waits_for_the_check_is_answered(self, stack: Stack) -> None:
        asking = asyncio.create_task(stack.post(url="example.org", headers={"Prefer": "wait=30"}, status=200))
        await eventually(lambda: _listed(stack), what="the check is committed")
        (listed,) = (await stack.get(CHECKS))["items"]
        await stack.ask_to("cancel", listed["id"], status=200)
        assert (await asking)["status"] == "cancelled"


async def _listed(stack: Stack) -> bool:
    return bool((await stack.get(CHECKS))["items"])


class TestRetry:
    async def test_it_begins_a_new_run(self, stack: Stack) -> None:
        check = await _failed(stack)
        async with stack.http.post(f"{CHECKS}/{check['id']}/retry") as answer:
            again = await answer.json()
            assert answer.status == 202
            assert answer.headers["Location"] == f"{CHECKS}/{check['id']}"
        assert (again["status"], again["attempts"], again["error"], again["finished_at"]) == ("queued", 0, None, None)
        done = await stack.finished(again, counted=ONE, attempt=2, run=2)
        assert (done["status"], done["attempts"], done["total"]) == ("done", 1, 1)

    async def test_a_cancelled_check_can_be_asked_for_again(self, stack: Stack) -> None:
        check = await stack.post(url="example.org")
        await stack.ask_to("cancel", check["id"], status=200)
        assert (await stack.ask_to("retry", check["id"], status=202))["status"] == "queued"

    async def test_what_has_neither_failed_nor_been_cancelled_is_a_conflict(self, stack: Stack) -> None:
        check = await stack.post(url="example.org")
        assert (await stack.ask_to("retry", check["id"], status=409))["code"] == "not_retryable"
        await stack.fetchers_are_there()
        done = await stack.post(url="example.net")
        await stack.finished(done, counted=ONE)
        assert (await stack.ask_to("retry", done["id"], status=409))["code"] == "not_retryable"

    @pytest.mark.parametrize("hints", [True, False])
    async def test_it_waits_for_the_end_of_the_new_run_and_not_of_the_old(self, stack: Stack, hints: bool) -> None:
        check = await _failed(stack)
        if not hints:
            await stack.pause_hints()
        asking = asyncio.create_task(
            stack.ask_to("retry", check["id"], status=200, headers={"Prefer": "wait=30"}),
        )
        await eventually(lambda: _is(stack, check, "queued"), what="it is open again")
        assert not asking.done()
        await stack.finish(check, counted=ONE, attempt=2, run=2)
        assert (await asking)["status"] == "done"

    async def test_what_is_not_final_in_time_is_a_202(self, stack: Stack) -> None:
        check = await _failed(stack)
        async with stack.http.post(f"{CHECKS}/{check['id']}/retry", headers={"Prefer": "wait=1"}) as answer:
            assert (answer.status, answer.headers["Preference-Applied"]) == (202, "wait=1")


async def _is(stack: Stack, check: dict[str, Any], status: str) -> bool:
    return bool((await stack.get(f"{CHECKS}/{check['id']}"))["status"] == status)


class TestDelete:
    async def test_it_is_gone_with_its_history(self, stack: Stack) -> None:
        check = await _failed(stack)
        async with stack.http.delete(f"{CHECKS}/{check['id']}") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        for path in ("", "/attempts"):
            assert (await stack.get(f"{CHECKS}/{check['id']}{path}", status=404))["code"] == "not_found"
        assert (await stack.get(CHECKS))["items"] == []
        await stack.ask_to("delete", check["id"], status=404)

    @pytest.mark.parametrize("hints", [True, False])
    async def test_who_waits_for_the_check_is_told_at_once(self, stack: Stack, hints: bool) -> None:
        if not hints:
            await stack.pause_hints()
        asking = asyncio.create_task(stack.post(url="example.org", headers={"Prefer": "wait=30"}, status=404))
        await eventually(lambda: _listed(stack), what="the check is committed")
        (listed,) = (await stack.get(CHECKS))["items"]
        await asyncio.wait({asking}, timeout=0.3)  # until it waits, with and without a look-up in between
        began_s = time.monotonic()
        await stack.ask_to("delete", listed["id"], status=204)
        problem = await asking
        assert time.monotonic() - began_s < 5
        assert problem["code"] == "not_found"
        assert "deleted" in problem["detail"]

    async def test_who_waits_for_a_retry_is_told_as_well(self, stack: Stack) -> None:
        check = await _failed(stack)
        asking = asyncio.create_task(
            stack.ask_to("retry", check["id"], status=404, headers={"Prefer": "wait=30"}),
        )
        await eventually(lambda: _is(stack, check, "queued"), what="it is open again")
        await stack.ask_to("delete", check["id"], status=204)
        assert (await asking)["code"] == "not_found"


class TestAnyChange:
    async def test_of_a_check_that_is_not_there(self, stack: Stack) -> None:
        deleted = await stack.post(url="example.org")
        await stack.ask_to("delete", deleted["id"], status=204)
        for what in CHANGES:
            for check_id in ("nonsense", "%00", str(new_id()), deleted["id"]):
                assert (await stack.ask_to(what, check_id, status=404))["code"] == "not_found"

    @pytest.mark.parametrize("what", CHANGES)
    async def test_it_takes_no_parameters_and_no_fields(self, stack: Stack, what: str) -> None:
        check = await stack.post(url="example.org")
        for options, status, pointers in (
            ({"params": {"force": "1"}}, 422, ["/force"]),
            ({"json": {"force": True, "a/b": 1}}, 422, ["/force", "/a~1b"]),
            ({"json": []}, 422, [""]),
            ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, []),
            ({"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, []),
            ({"headers": {"Origin": "https://elsewhere.example"}}, 403, []),
        ):
            problem = await stack.ask_to(what, check["id"], status=status, **options)
            assert [error["pointer"] for error in problem["errors"]] == pointers
        assert (await stack.get(f"{CHECKS}/{check['id']}"))["status"] == "queued"

    async def test_an_empty_object_is_no_body_and_a_key_means_nothing(self, stack: Stack) -> None:
        check = await stack.post(url="example.org")
        for what, status in (("cancel", 200), ("retry", 202), ("delete", 204)):
            await stack.ask_to(what, check["id"], status=status, json={}, headers={"Idempotency-Key": "k" * 300})

    async def test_rule_2_without_a_recorder_it_is_a_503_with_the_id(self, parts: Stack) -> None:
        check_id = str(new_id())
        async with parts.gateway():
            began_s = time.monotonic()
            for problem in await asyncio.gather(*(parts.ask_to(what, check_id, status=503) for what in CHANGES)):
                assert (problem["code"], problem["id"]) == ("not_committed", check_id)
            assert 4.5 < time.monotonic() - began_s < 8

    async def test_rule_1_what_the_recorder_decides_is_what_is_answered(self, parts: Stack) -> None:
        # Outcomes that a recorder seldom comes to, written in its stead.
        async with parts.gateway():
            for outcome, status, code in (("expired", 503, "not_committed"), ("refused", 422, "refused")):
                asking = asyncio.create_task(parts.ask_to("cancel", str(new_id()), status=status))
                await parts.outcome_of_next_command(outcome)
                assert (await asking)["code"] == code


async def test_rule_2_without_any_hint_all_changes_are_answered(stack: Stack) -> None:
    await stack.fetchers_are_there()
    await stack.pause_hints()
    began_s = time.monotonic()
    for _ in range(3):
        check = await stack.post(url="example.org")
        await stack.ask_to("cancel", check["id"], status=200)
        await stack.ask_to("retry", check["id"], status=202)
        await stack.ask_to("retry", check["id"], status=409)
        await stack.ask_to("delete", check["id"], status=204)
        await stack.ask_to("delete", check["id"], status=404)
    assert time.monotonic() - began_s < 15  # eighteen look-ups of 0.1 s; a single repeat would take 2.5 s


class TestAttempts:
    async def test_there_are_none_at_first(self, stack: Stack) -> None:
        check = await stack.post(url="example.org")
        assert await _attempts(stack, check) == []

    async def test_one_that_counted_is_told_by_the_result(self, stack: Stack) -> None:
        await stack.fetchers_are_there()
        check = await stack.finished(await stack.post(url="example.org"), counted=ONE)
        assert await _attempts(stack, check) == [
            {
                "run": 1,
                "attempt": 1,
                "started_at": check["started_at"],
                "finished_at": check["finished_at"],
                "http_status": 200,
                "error": None,
                "fetcher": "f-1",
            }
        ]

    async def test_all_runs_are_there_in_order(self, stack: Stack) -> None:
        check = await _failed(stack)
        await stack.ask_to("retry", check["id"], status=202)
        await stack.finished(check, counted=ONE, attempt=2, run=2)
        first, second = await _attempts(stack, check)
        assert (first["run"], first["attempt"], first["http_status"]) == (1, 1, None)
        assert first["error"] == {
            "code": "dns_not_found",
            "message": ERRORS["dns_not_found"].sentence,
            "hint": ERRORS["dns_not_found"].hint,
        }
        assert (second["run"], second["attempt"], second["error"]) == (2, 2, None)

    async def test_a_failure_is_there_once(self, stack: Stack) -> None:
        check = await _failed(stack)
        assert [one["attempt"] for one in await _attempts(stack, check)] == [1]

    async def test_a_count_that_came_after_a_cancel_is_history_without_an_error(self, stack: Stack) -> None:
        await stack.fetchers_are_there()
        check = await stack.post(url="example.org")
        await stack.ask_to("cancel", check["id"], status=200)
        await stack.finish(check, counted=ONE)
        await eventually(lambda: _attempts(stack, check), what="it is recorded")
        (attempt,) = await _attempts(stack, check)
        assert (attempt["error"], attempt["http_status"], attempt["fetcher"]) == (None, 200, "f-1")
        assert await _is(stack, check, "cancelled")

    async def test_rule_17_an_attempt_given_up_that_counted_after_all_is_one_that_counted(self, stack: Stack) -> None:
        await stack.fetchers_are_there()
        check = await stack.post(url="example.org")
        await stack.execute(
            "INSERT INTO attempts (check_id, attempt, run, started_at, finished_at, error_code)"
            " SELECT id, 1, 1, NULL, clock_timestamp(), 'lost' FROM checks"
        )
        (lost,) = await _attempts(stack, check)
        assert (lost["error"]["code"], lost["started_at"], lost["fetcher"]) == ("lost", None, None)
        await stack.finished(check, counted=ONE)
        (attempt,) = await _attempts(stack, check)
        assert (attempt["error"], attempt["fetcher"]) == (None, "f-1")

    @pytest.mark.parametrize("check_id", ["nonsense", "00000000-0000-7000-8000-000000000000"])
    async def test_of_a_check_that_is_not_there(self, stack: Stack, check_id: str) -> None:
        assert (await stack.get(f"{CHECKS}/{check_id}/attempts", status=404))["code"] == "not_found"
        assert (await stack.get(f"{CHECKS}/{check_id}/attempts?x=1", status=422))["errors"][0]["pointer"] == "/x"

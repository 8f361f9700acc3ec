import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.ids import time_of
from shared.messages import AttemptError, Counted, PageFacts, Snippet
from tests.integration.gateway.stack import CHECKS, Stack
from tests.integration.servers import eventually

NULL_AT_FIRST = (
    *(
        "batch_id",
        "line",
        "counts",
        "total",
        "rule_version",
        "snippets",
        "error",
        "http_status",
        "final_url",
        "address",
    ),
    *("title", "content_type", "charset", "bytes", "next_attempt_at", "started_at", "finished_at", "duration_ms"),
    "timings_ms",
)


async def test_a_check_is_committed_when_it_is_answered(stack: Stack) -> None:
    async with stack.http.post(
        CHECKS,
        json={"url": "EXAMPLE.org:80/about#us", "words": ["python", "open source", "python"], "label": "team page"},
    ) as answer:
        check = await answer.json()
        assert answer.status == 202
        assert answer.headers["Location"] == f"{CHECKS}/{check['id']}"
        assert "Preference-Applied" not in answer.headers
    row = await stack.ask("SELECT (id::text, url, host, bulk) FROM checks")
    assert tuple(row) == (check["id"], "http://example.org/about", "example.org", False)
    assert check == {
        "id": check["id"],
        "url": "http://example.org/about",
        "words": ["python", "open source"],
        "scope": "text",
        "whole_word": True,
        "case_sensitive": False,
        "label": "team page",
        "status": "queued",
        "redirects": [],
        "attempts": 0,
        "created_at": time_of(UUID(check["id"])).isoformat().replace("+00:00", "Z"),
    } | dict.fromkeys(NULL_AT_FIRST)
    assert await stack.get(f"{CHECKS}/{check['id']}") == check


async def test_a_counted_check_tells_what_was_found(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="example.org/about", words=["zebra", "python", "入門"])
    counted = Counted(
        counts={"python": 12, "zebra": 0, "入門": 3},
        total=15,
        rule_version=1,
        snippets={"python": (Snippet(before="we write ", match="Python", after=" since 2009"),)},
    )
    facts = PageFacts(
        http_status=200,
        final_url="https://example.org/about/",
        redirects=("https://example.org/about/",),
        address="93.184.216.34",
        title="About",
        content_type="text/html",
        charset="utf-8",
        bytes=48211,
        timings_ms={"parse": 1, "dns": 3, "connect": 20},
    )
    shown = await stack.finished(check, counted=counted, facts=facts)
    assert shown["status"] == "done"
    assert list(shown["counts"].items()) == [("zebra", 0), ("python", 12), ("入門", 3)]  # in the order asked for
    assert shown["total"] == 15
    assert shown["rule_version"] == 1
    assert shown["snippets"] == {"python": [{"before": "we write ", "match": "Python", "after": " since 2009"}]}
    assert shown["error"] is None
    assert shown["redirects"] == ["https://example.org/about/"]
    assert (shown["title"], shown["bytes"], shown["charset"]) == ("About", 48211, "utf-8")
    assert {name: ms for name, ms in shown["timings_ms"].items() if ms is not None} == {
        "dns": 3,
        "connect": 20,
        "parse": 1,
    }
    assert shown["duration_ms"] == 182
    assert shown["attempts"] == 1


async def test_a_failed_check_says_why_and_what_to_do(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="http://no-such-host.example/")
    shown = await stack.finished(check, error=AttemptError(code="dns_not_found", detail="NXDOMAIN"), facts=PageFacts())
    assert shown["status"] == "failed"
    assert shown["error"]["code"] == "dns_not_found"
    assert "no host of this name" in shown["error"]["message"]
    assert "NXDOMAIN" in shown["error"]["message"]
    assert shown["error"]["hint"]
    assert (shown["counts"], shown["total"], shown["snippets"]) == (None, None, None)


async def test_between_attempts_there_is_no_error_and_a_time_of_the_next(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="example.org")
    await stack.finish(
        check, error=AttemptError(code="connect_failed", retry=True), facts=PageFacts(address="192.0.2.1")
    )

    async def tried() -> bool:
        return bool((await stack.get(f"{CHECKS}/{check['id']}"))["attempts"])

    await eventually(tried, what="the attempt is recorded")
    shown = await stack.get(f"{CHECKS}/{check['id']}")
    assert shown["next_attempt_at"] > shown["created_at"]
    assert (shown["status"], shown["attempts"], shown["error"], shown["address"]) == ("queued", 1, None, None)


async def test_the_list_is_paged_without_skipping_or_repeating(stack: Stack) -> None:
    made = [(await stack.post(url=f"example.org/{number}"))["id"] for number in range(7)]
    first = await stack.get(f"{CHECKS}?limit=3")
    assert [check["id"] for check in first["items"]] == made[:3:-1]
    later = (await stack.post(url="example.org/new"))["id"]
    async with stack.http.get(CHECKS, params={"limit": 3, "cursor": first["next_cursor"]}) as answer:
        second = await answer.json()
        following = answer.links["next"]["url"]
    async with stack.http.get(following) as answer:
        third = await answer.json()
        assert "Link" not in answer.headers
    assert [check["id"] for check in second["items"] + third["items"]] == made[3::-1]
    assert third["next_cursor"] is None
    assert (await stack.get(CHECKS))["items"][0]["id"] == later
    assert (await stack.get(f"{CHECKS}?limit=8"))["next_cursor"] is None


async def test_an_empty_list(stack: Stack) -> None:
    assert await stack.get(CHECKS) == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=nonsense", "limit=1&limit=2", "page=2"])
async def test_a_list_refuses_parameters_that_mean_nothing(stack: Stack, query: str) -> None:
    problem = await stack.get(f"{CHECKS}?{query}", status=422)
    assert problem["code"] == "invalid_request"
    assert problem["errors"][0]["pointer"] == "/" + query.partition("=")[0]


@pytest.mark.parametrize("check_id", ["nonsense", "00000000-0000-7000-8000-000000000000", "%00", "{}"])
async def test_a_check_that_is_not_there(stack: Stack, check_id: str) -> None:
    assert (await stack.get(f"{CHECKS}/{check_id}", status=404))["code"] == "not_found"


class TestIdempotencyKey:
    async def test_the_same_request_again_gives_the_same_check(self, stack: Stack) -> None:
        # Prefer is no part of the body, and what is left out is as if the default had been given.
        bodies: list[dict[str, Any]] = [
            {"url": "example.org"},
            {"url": "http://EXAMPLE.org/", "words": ["python"], "label": None},
            {"url": "example.org", "whole_word": True, "scope": "text", "case_sensitive": False},
        ]
        keys = ("k-1", '"k-1"')
        answers = await asyncio.gather(
            *(stack.post(body, headers={"Idempotency-Key": key}) for body in bodies for key in keys for _ in range(5))
        )
        assert len({answer["id"] for answer in answers}) == 1
        assert len((await stack.get(CHECKS))["items"]) == 1

    async def test_it_answers_200_when_the_check_is_final(self, stack: Stack) -> None:
        await stack.fetchers_are_there()
        key = {"Idempotency-Key": "k"}
        check = await stack.post(url="example.org", headers=key)
        await stack.finished(check, counted=Counted(counts={"python": 1}, total=1, rule_version=1))
        again = await stack.post(url="example.org", headers=key, status=200)
        assert (again["id"], again["status"]) == (check["id"], "done")

    async def test_another_body_is_refused(self, stack: Stack) -> None:
        key = {"Idempotency-Key": "k"}
        await stack.post(url="example.org", headers=key)
        for other in ({"words": ["x"]}, {"label": "x"}, {"whole_word": False}, {"url": "example.org/x"}):
            problem = await stack.post({"url": "example.org"} | other, headers=key, status=422)
            assert problem["code"] == "idempotency_key_reused"
        assert len((await stack.get(CHECKS))["items"]) == 1

    async def test_without_a_key_twice_is_two_checks(self, stack: Stack) -> None:
        assert (await stack.post(url="example.org"))["id"] != (await stack.post(url="example.org"))["id"]

    @pytest.mark.parametrize("key", ["", '""', "k" * 256, "ключ"])
    async def test_a_key_that_is_none(self, stack: Stack, key: str) -> None:
        problem = await stack.post(url="example.org", headers={"Idempotency-Key": key}, status=400)
        assert problem["code"] == "invalid_idempotency_key"
        assert (await stack.get(CHECKS))["items"] == []

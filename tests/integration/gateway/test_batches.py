"""Batches that are there: read, listed, exported, changed; and what is asked of many checks at once."""

import csv
import io
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.claims import CLAIM, claim_arguments
from shared.clock import utc_now
from shared.messages import AttemptError, Counted
from shared.settings import Settings
from tests.integration.gateway.stack import CHECKS, Stack
from tests.integration.gateway.uploading import BATCHES, ask_to, lines_of, settled, upload
from tests.integration.servers import eventually

GONE = AttemptError(code="http_error", detail="404", retry=False)


async def ended(stack: Stack) -> dict[str, Any]:
    """A batch of which one line is done, one failed, one invalid, and one a duplicate of the first."""
    batch = await upload(stack, "a.example\nb.example\nno address\nA.example\n", query={"words": "python;=snake"})
    await stack.fetchers_are_there()
    done, failed = await claimed(stack, batch, 2)
    await stack.finish(done, counted=Counted(counts={"python": 3, "=snake": 0}, total=3, rule_version=1))
    await stack.finish(failed, error=GONE)
    return await settled(stack, batch, status="finished")


async def claimed(stack: Stack, batch: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """The first checks of a batch, claimed as a scheduler would."""
    filed = "SELECT count(*) = $1 AND NOT EXISTS (SELECT FROM jobs WHERE finished_at IS NULL) FROM queue WHERE bulk"
    await eventually(lambda: stack.ask(filed, number), what="its checks are there")
    await claim(stack)
    lines = [line for line in await lines_of(stack, batch) if line["check_id"]]
    return [await stack.get(f"{CHECKS}/{line['check_id']}") for line in lines[:number]]


async def claim(stack: Stack) -> None:
    await stack.execute(CLAIM, *claim_arguments(Settings(host_concurrency=100, host_rate_per_s=0.0), None))


async def test_a_batch_that_has_ended(stack: Stack) -> None:
    batch = await ended(stack)
    assert {name: batch[name] for name in ("total", "done", "failed", "duplicates", "invalid", "percent")} == {
        "total": 4,
        "done": 1,
        "failed": 1,
        "duplicates": 1,
        "invalid": 1,
        "percent": 100.0,
    }
    assert batch["errors_by_code"] == {"http_error": 1}
    assert batch["word_totals"]["python"] == 3
    assert batch["finished_at"] is not None
    assert (batch["rate_per_s"], batch["eta_s"]) == (None, None)
    assert (await ask_to(stack, "cancel", batch, status=409))["code"] == "already_finished"
    assert (await ask_to(stack, "pause", batch, status=409))["code"] == "already_finished"

    states = {state: await lines_of(stack, batch, state=state) for state in ("done", "failed", "duplicate", "invalid")}
    assert {state: [line["line"] for line in lines] for state, lines in states.items()} == {
        "done": [1],
        "failed": [2],
        "duplicate": [4],
        "invalid": [3],
    }
    assert states["failed"][0]["reason"]
    for state in ("queued", "running", "cancelled"):
        assert await lines_of(stack, batch, state=state) == []

    exported = await export(stack, batch, "csv")
    rows = list(csv.DictReader(io.StringIO(exported, newline="")))
    assert [(row["line"], row["state"], row["count: python"], row["total"]) for row in rows] == [
        ("1", "done", "3", "3"),
        ("2", "failed", "", ""),
        ("3", "invalid", "", ""),
        ("4", "duplicate", "3", "3"),
    ]
    assert json.loads(rows[0]["counts"]) == {"python": 3, "=snake": 0}
    assert rows[1]["error"] == "http_error"
    objects = [json.loads(line) for line in (await export(stack, batch, "ndjson")).splitlines()]
    assert [each["text"] for each in objects] == ["a.example", "b.example", "no address", "A.example"]
    assert objects[3]["check_id"] == objects[0]["check_id"]


async def export(stack: Stack, batch: dict[str, Any], format_: str) -> str:
    async with stack.http.get(f"{BATCHES}/{batch['id']}/export", params={"format": format_}) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="batch-{batch["id"]}.{format_}"'
        return await answer.text()


async def test_a_long_export_has_every_line_once_and_in_order(stack: Stack) -> None:
    rows = [f"a.example/{number},{'own' if number % 2 else ''}\n" for number in range(1_234)]
    batch = await upload(stack, "url,label\n" + "".join(rows), "text/csv", query={"label": "the batch's"})
    lines = [json.loads(line) for line in (await export(stack, batch, "ndjson")).splitlines()]
    assert [line["line"] for line in lines] == list(range(2, 1_236))
    assert [line["label"] for line in lines] == [None, "own"] * 617
    async with stack.http.head(f"{BATCHES}/{batch['id']}/export") as answer:
        assert answer.status == 200


async def test_failed_lines_begin_anew(stack: Stack) -> None:
    batch = await ended(stack)
    again = await ask_to(stack, "retry", batch, status=202)
    assert again["status"] == "running"
    again = await settled(stack, batch, failed=0, done=1)
    assert (again["queued"] + again["running"], again["errors_by_code"]) == (1, {})
    assert (await ask_to(stack, "retry", batch, status=409))["code"] == "not_retryable"


async def test_a_batch_is_paused_resumed_cancelled_and_deleted(stack: Stack) -> None:
    batch = await upload(stack, "a.example\nb.example\n", query={"label": "x"})
    for what, status in (("pause", "paused"), ("pause", "paused"), ("resume", "running"), ("resume", "running")):
        assert (await ask_to(stack, what, batch))["status"] == status
    cancelled = await ask_to(stack, "cancel", batch)
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", None)
    await settled(stack, batch, cancelled=2, percent=100.0)
    assert (await ask_to(stack, "cancel", batch))["status"] == "cancelled"
    assert [line["state"] for line in await lines_of(stack, batch, state="cancelled")] == ["cancelled"] * 2
    await ask_to(stack, "delete", batch, status=204)
    for path in ("", "/lines", "/export"):
        assert (await stack.get(f"{BATCHES}/{batch['id']}{path}", status=404))["code"] == "not_found"
    for what in ("pause", "resume", "cancel", "retry", "delete"):
        assert (await ask_to(stack, what, batch, status=404))["code"] == "not_found"
    assert (await stack.get(BATCHES))["items"] == []
    left = "(SELECT id FROM batches UNION SELECT id FROM checks UNION SELECT batch_id FROM lines)"
    nothing = f"SELECT NOT EXISTS {left}"
    await eventually(lambda: stack.ask(nothing), what="its rows are gone")


async def test_a_line_whose_check_was_deleted(stack: Stack) -> None:
    batch = await upload(stack, "a.example\nb.example\n")
    first, _ = await claimed(stack, batch, 2)
    await stack.ask_to("delete", first["id"], status=204)
    await settled(stack, batch, cancelled=1)
    deleted, other = await lines_of(stack, batch)
    assert (deleted["state"], deleted["check_id"], other["state"]) == ("cancelled", None, "queued")
    assert deleted["reason"]
    assert [line["line"] for line in await lines_of(stack, batch, state="cancelled")] == [1]


async def test_pages_of_lines_and_of_batches(stack: Stack) -> None:
    body = "".join(f"a.example/{number % 9}\n" for number in range(25))
    batch = await upload(stack, body, query={"label": "x"})
    await eventually(lambda: stack.ask("SELECT filed = 25 FROM batches"), what="all lines have their checks")
    queries: list[dict[str, str | int]] = [{}, {"state": "duplicate"}, {"state": "queued"}]
    for query in queries:
        whole = await lines_of(stack, batch, **query)
        assert await lines_of(stack, batch, limit=3, **query) == whole
        assert [line["line"] for line in whole] == sorted(line["line"] for line in whole)
    assert len(await lines_of(stack, batch, state="duplicate")) == 16
    page = await stack.get(f"{BATCHES}/{batch['id']}/lines", params={"limit": 3})
    other = {"cursor": page["next_cursor"], "state": "queued"}
    assert (await stack.get(f"{BATCHES}/{batch['id']}/lines", params=other, status=422))["code"] == "invalid_request"

    batches = [batch["id"], *[(await upload(stack, "a.example"))["id"] for _ in range(3)]]
    listed: list[str] = []
    path = f"{BATCHES}?limit=2"
    while path:
        async with stack.http.get(path) as answer:
            listed += [each["id"] for each in (await answer.json())["items"]]
            path = str(answer.links["next"]["url"]) if "next" in answer.links else ""
    assert listed == batches[::-1]
    assert [each["id"] for each in (await stack.get(BATCHES, params={"label": "x"}))["items"]] == [batch["id"]]
    await ask_to(stack, "pause", batch)
    assert [each["id"] for each in (await stack.get(BATCHES, params={"status": "paused"}))["items"]] == [batch["id"]]
    assert len((await stack.get(CHECKS, params={"batch_id": batch["id"], "limit": 5}))["items"]) <= 5


@pytest.mark.parametrize("path", ["", "/lines", "/export"])
async def test_what_is_no_batch(door: Stack, path: str) -> None:
    for id_ in (uuid4(), "7", "A" * 36):
        assert (await door.get(f"{BATCHES}/{id_}{path}", status=404))["code"] == "not_found"
    assert (await door.get(f"{BATCHES}/{uuid4()}{path}", params={"x": "y"}, status=422))["code"] == "invalid_request"


async def test_all_failed_checks_of_a_filter_begin_anew(stack: Stack) -> None:
    await stack.fetchers_are_there()
    for label in ("mine", "mine", "other"):
        check = await stack.post(url="a.example", label=label)
        await claim(stack)
        await stack.finished(check, error=GONE)
    async with stack.http.post(f"{CHECKS}/retry", params={"label": "mine"}) as answer:
        assert answer.status == 202
        told = await answer.json()
    assert (told["retried"], told["finished"]) == (2, True)
    failed = (await stack.get(CHECKS, params={"status": "failed"}))["items"]
    assert [check["label"] for check in failed] == ["other"]
    async with stack.http.post(f"{CHECKS}/retry", json={"label": "other", "http_status": 999}) as answer:
        assert (await answer.json())["retried"] == 0
    async with stack.http.post(f"{CHECKS}/retry", json={"status": "done"}) as answer:
        assert answer.status == 422


async def test_a_check_that_is_to_begin_later(stack: Stack) -> None:
    later = (utc_now() + timedelta(days=365)).isoformat()
    check = await stack.post(url="a.example", run_at=later)
    assert check["status"] == "queued"
    assert check["next_attempt_at"].replace("Z", "+00:00") == later
    past = await stack.post(url="a.example", run_at="2001-01-01T00:00:00+02:00")
    assert past["next_attempt_at"] is None
    for wrong in ((utc_now() + timedelta(days=367)).isoformat(), "2027-01-01T00:00:00", "tomorrow", 7, "", True):
        problem = await stack.post(url="a.example", run_at=wrong, status=422)
        assert [error["pointer"] for error in problem["errors"]] == ["/run_at"]
    key = {"Idempotency-Key": "k"}
    first = await stack.post({"url": "a.example", "run_at": later}, headers=key)
    assert (await stack.post({"url": "a.example", "run_at": later}, headers=key))["id"] == first["id"]
    assert (await stack.post({"url": "a.example"}, headers=key, status=422))["code"] == "idempotency_key_reused"

"""Uploads in every form, whole and broken off."""

import asyncio
import zlib
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from services.gateway.batches.slots import MOST_AT_ONCE
from services.recorder.batches.reaper import give_up_silent
from tests.integration.gateway import raw
from tests.integration.gateway.stack import Stack
from tests.integration.gateway.uploading import (
    BATCHES,
    ask_to,
    gzipped,
    lines_of,
    newest,
    settled,
    slowly,
    upload,
    upload_file,
    upload_json,
    zipped,
)
from tests.integration.servers import eventually

LINES = "a.example\n\nnot an address\nhttp://A.example/\nb.example\n"
TOLD = [
    (1, "a.example", "queued"),
    (3, "not an address", "invalid"),
    (4, "http://A.example/", "duplicate"),
    (5, "b.example", "queued"),
]


async def told(stack: Stack, batch: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(line["line"], line["text"], line["state"]) for line in await lines_of(stack, batch)]


async def test_plain_text_with_options(stack: Stack) -> None:
    batch = await upload(stack, LINES, query={"words": "python;open source", "label": "mine", "scope": "source"})
    assert {name: batch[name] for name in ("label", "status", "total", "queued", "duplicates", "invalid")} == {
        "label": "mine",
        "status": "running",
        "total": 4,
        "queued": 2,
        "duplicates": 1,
        "invalid": 1,
    }
    assert batch["percent"] == 50.0
    assert await told(stack, batch) == TOLD
    await settled(stack, batch, queued=2)

    async def is_filed() -> bool:
        return (await lines_of(stack, batch))[0]["check_id"] is not None

    await eventually(is_filed, what="its checks are there")
    first, _, duplicate, _ = await lines_of(stack, batch)
    assert duplicate["check_id"] == first["check_id"]
    assert duplicate["reason"] == "Asks for the same as line 1."
    check = await stack.get(f"/api/v1/checks/{first['check_id']}")
    assert (check["batch_id"], check["line"], check["words"]) == (batch["id"], 1, ["python", "open source"])
    assert check["scope"] == "source"


async def test_every_form_says_the_same(stack: Stack) -> None:
    objects = [{"url": "a.example"}, {"url": "not an address"}, {"url": "http://A.example/"}, {"url": "b.example"}]
    csv = "url,words\na.example,\nnot an address,\nhttp://A.example/,\nb.example,\n"
    ndjson = "".join(f'{{"url": "{each["url"]}"}}\n' for each in objects)
    batches = [
        await upload_json(stack, items=objects),
        await upload(stack, ndjson, "application/x-ndjson"),
        await upload(stack, csv, "text/csv; charset=utf-8"),
        await upload(stack, gzipped(LINES), headers={"Content-Encoding": "gzip"}),
        await upload(stack, zlib.compress(LINES.encode()), headers={"Content-Encoding": "deflate"}),
        await upload_file(stack, "x.txt", LINES.encode(), words="python"),
        await upload_file(stack, "X.CSV", csv.encode(), after=[("label", "")]),
        await upload_file(stack, "x.zip", zipped(b__txt=b"b.example", a__txt=b"a.example\nc d\na.example/")),
    ]
    for batch in batches:
        found = [state for _, _, state in await told(stack, batch)]
        assert found == ["queued", "invalid", "duplicate", "queued"]


async def test_files_of_a_zip_are_taken_in_the_order_of_their_names(stack: Stack) -> None:
    batch = await upload_file(stack, "x.zip", zipped(b__txt=b"a.example\n", a__csv=b"url\na.example\n"), label="zip")
    lines = await lines_of(stack, batch)
    assert [(line["file"], line["line"], line["state"]) for line in lines] == [
        ("a.csv", 2, "queued"),
        ("b.txt", 1, "duplicate"),
    ]
    assert lines[1]["reason"] == "Asks for the same as line 2 of a.csv."


@pytest.mark.parametrize("media_type", ["text/plain", "text/csv", "application/x-ndjson"])
async def test_an_upload_without_lines_leaves_nothing(stack: Stack, media_type: str) -> None:
    body = "url,words\n\n" if media_type == "text/csv" else "\n\n \n"
    assert (await upload(stack, body, media_type, status=422))["code"] == "empty_batch"
    assert (await upload(stack, b"", media_type, status=422))["code"] == "empty_batch"
    assert (await upload_file(stack, "x.zip", zipped(), status=422))["code"] == "empty_batch"
    assert await stack.ask("SELECT count(*) FROM batches") == 0


async def test_what_can_not_be_an_upload(door: Stack) -> None:
    wrong: list[tuple[Any, str, dict[str, Any]]] = [
        (b"a.example", "image/png", {"status": 415}),
        (b"a.example", "text/plain; charset=klingon", {"status": 415}),
        (b"a.example", "text/plain", {"status": 415, "headers": {"Content-Encoding": "br"}}),
        (b"a.example", "text/plain", {"status": 400, "headers": {"Content-Encoding": "gzip"}}),
        (b"a.example", "text/plain", {"status": 422, "query": {"wordz": "x"}}),
        (b"a.example", "text/plain", {"status": 422, "query": {"scope": "html"}}),
        (b"{}", "application/json", {"status": 422}),
        (b'{"items": []}', "application/json", {"status": 422}),
        (b'{"items": [{"url": "a.example"}]}', "application/json", {"status": 422, "query": {"scope": "x"}}),
        (b"[]", "application/json", {"status": 422}),
        (b"nonsense", "multipart/form-data; boundary=b", {"status": 400}),
        (b"nonsense", "multipart/form-data", {"status": 400}),
        (b"--b--", "multipart/form-data; boundary=b", {"status": 422}),
        (b"a.example", "text/plain", {"status": 400, "key": "ü"}),
    ]
    for body, media_type, how in wrong:
        await upload(door, body, media_type, **how)
    assert (await upload_file(door, "x.pdf", b"%PDF", status=422))["errors"][0]["pointer"] == "/file"
    assert (await upload_file(door, "x.zip", b"no zip", status=422))["code"] == "invalid_upload"
    twice = await upload_file(door, "x.txt", b"a.example", status=422, after=[("file", "b.example")])
    assert twice["errors"][0]["pointer"] == "/file"
    assert await door.ask("SELECT count(*) FROM batches") == 0


async def test_an_upload_may_be_so_large_and_no_larger(parts: Stack) -> None:
    async with parts.recorder(), parts.gateway(max_upload_bytes=600_000):
        line = "http://a.example/" + "x" * 982 + "\n"
        assert (await upload(parts, line * 600))["total"] == 600
        assert (await upload(parts, line * 601, status=413))["code"] == "body_too_large"  # by its Content-Length
        packed = gzipped(line * 20_000)
        assert len(packed) < 600_000
        refused = await upload(parts, packed, headers={"Content-Encoding": "gzip"}, status=413)
        assert refused["code"] == "body_too_large"
        batch = await settled(parts, await newest(parts), status="cancelled")
        assert batch["reason"].startswith("The upload ended after ")
        assert batch["cancelled"] == batch["total"] > 0
        assert (await upload_file(parts, "x.txt", line.encode() * 601, status=413))["code"] == "body_too_large"


async def test_a_slow_upload_is_seen_growing_and_is_closed_when_it_is_there(stack: Stack) -> None:
    async with slowly(stack) as (client, answer):
        client.send("a.example\nnot an address\nb.ex")
        batch = await settled(stack, await newest(stack), total=2, invalid=1)
        assert (batch["status"], batch["queued"], batch["duplicates"]) == ("receiving", 1, 0)
        assert [line["state"] for line in await lines_of(stack, batch)] == ["queued", "invalid"]
        for what in ("pause", "resume", "retry"):
            assert (await ask_to(stack, what, batch, status=409))["code"] == "still_receiving"
        client.send("ample\na.example\n")
        client.send(None)
        closed = await answer
        assert (closed["http"], closed["id"], closed["total"], closed["duplicates"]) == (202, batch["id"], 4, 1)


async def test_an_upload_that_breaks_off_leaves_a_cancelled_batch_and_a_free_key(stack: Stack) -> None:
    async with slowly(stack, key="k") as (client, _):
        client.send("a.example\nb.example\nc.exa")
        batch = await settled(stack, await newest(stack), total=2)
    batch = await settled(stack, batch, status="cancelled")
    assert batch["reason"] == "The upload broke off after 2 lines."
    assert (batch["cancelled"], batch["percent"]) == (2, 100.0)
    assert [line["state"] for line in await lines_of(stack, batch, state="cancelled")] == ["cancelled"] * 2
    assert (await upload(stack, "z.example", key="k"))["id"] != batch["id"]


async def test_who_cancels_or_deletes_the_batch_ends_its_upload(stack: Stack) -> None:
    for what, status in (("cancel", 200), ("delete", 204)):
        async with slowly(stack) as (client, answer):
            client.send("a.example\n")
            await eventually(lambda: stack.ask("SELECT count(*) FROM batches WHERE status = 'receiving'"), what="it")
            batch = await settled(stack, await newest(stack), total=1)
            await ask_to(stack, what, batch, status=status)
            client.send("b.example\n")
            client.send(None)
            assert (await answer)["http"] == 409


async def test_a_batch_that_the_recorder_gave_up_is_no_fault_of_who_uploads_it(stack: Stack) -> None:
    async with slowly(stack) as (client, answer):
        client.send("a.example\n")
        await settled(stack, await newest(stack), total=1)
        connection = await asyncpg.connect(stack.database_url)
        assert len(await give_up_silent(connection, silent_s=0.0)) == 1  # as after an outage
        await connection.close()
        client.send("b.example\n")
        client.send(None)
        told = await answer
        assert (told["http"], told["code"]) == (503, "upload_interrupted")
        assert "The upload broke off after 1 line." in told["detail"]


async def test_lines_that_are_not_recorded_in_time_are_an_upload_to_be_sent_again(door: Stack) -> None:
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(upload(door, "a.example", status=503))
        await door.outcome_of_next_command("expired")
    assert answer.result()["code"] == "upload_interrupted"


async def test_a_stopping_gateway_ends_its_uploads(parts: Stack) -> None:
    async with parts.recorder(), parts.gateway() as service, slowly(parts) as (client, answer):
        client.send("a.example\n")
        await settled(parts, await newest(parts), total=1)
        service.stopping.set()
        assert ((await answer)["http"], (await answer)["code"]) == (503, "upload_interrupted")
        cancelled = "SELECT reason FROM batches WHERE status = 'cancelled'"
        await eventually(lambda: parts.ask(cancelled), what="it is given up")
        assert await parts.ask(cancelled) == "The gateway stopped after 1 line."


async def test_there_are_so_many_uploads_at_once_and_no_more(stack: Stack) -> None:
    async with asyncio.TaskGroup() as group:
        ends = asyncio.Event()
        under_way = [asyncio.Event() for _ in range(MOST_AT_ONCE)]

        async def hold(begun: asyncio.Event) -> None:
            async with slowly(stack) as (client, _):
                client.send("a.example\n")
                begun.set()
                await ends.wait()

        for begun in under_way:
            group.create_task(hold(begun))
        receiving = "SELECT count(*) = $1 FROM batches WHERE status = 'receiving'"
        await eventually(lambda: stack.ask(receiving, MOST_AT_ONCE), what="all are under way")
        refused = await upload(stack, "a.example", status=503)
        assert refused["code"] == "too_many_uploads"
        ends.set()


async def test_who_does_not_send_his_json_keeps_nobody_from_uploading(stack: Stack) -> None:
    head = raw.request("POST", BATCHES, Content_Type="application/json", Content_Length="100", Expect="100-continue")
    async with AsyncExitStack() as silent:
        for _ in range(MOST_AT_ONCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
            silent.callback(writer.close)
            writer.write(head)
            assert b" 100 " in await reader.readuntil(b"\r\n\r\n")  # it is waited for now
        assert (await upload(stack, "a.example"))["total"] == 1


async def test_the_same_key_and_the_same_lines_are_the_same_batch(stack: Stack) -> None:
    first = await upload(stack, LINES, key="k", query={"label": "x"})
    again = await upload(stack, LINES.replace("\n\n", "\n"), key='"k"', query={"label": "x", "scope": "text"})
    assert again["id"] == first["id"]
    for body, query in ((LINES + "c.example", {"label": "x"}), (LINES, {"label": "y"}), (LINES, {"words": "x"})):
        refused = await upload(stack, body, key="k", query=query, status=422)
        assert refused["code"] == "idempotency_key_reused"
    assert len((await stack.get(BATCHES))["items"]) == 1
    await ask_to(stack, "cancel", first)
    assert (await upload(stack, LINES, key="k", query={"label": "x"}, status=200))["status"] == "cancelled"
    await ask_to(stack, "delete", first, status=204)
    assert (await upload(stack, LINES, key="k", query={"label": "x"}))["id"] != first["id"]

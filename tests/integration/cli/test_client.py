"""What the program does when the server, or the way to it, is in trouble."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from services.cli import batching, client, following, handlers
from services.cli.client import Client
from services.cli.config import Server
from services.cli.handlers import Tool
from services.cli.outcomes import ApiError, Exit, NotTaken, Unreachable
from services.cli.output import Output
from services.cli.uploads import ExportFormat, FileFormat, Question
from tests.integration.cli.server import break_off, document, hang_up, problem, served, stay_silent, text
from tests.integration.servers import HOST, free_port
from tests.unit.cli import documents


class Told:
    """A tool, and what it has told."""

    def __init__(self, client: Client, *, as_json: bool = False) -> None:
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        output = Output(as_json=as_json, stdout=self.stdout, stderr=self.stderr)
        self.tool = Tool(client, output, Server(client.server, "a test"))


@pytest.mark.parametrize("trouble", [hang_up, problem(503, "not_committed", Retry_After="0")])
async def test_what_passes_is_tried_again_with_the_same_key(trouble: Any) -> None:
    async with served(trouble, trouble, document(documents.check())) as (server, asking):
        code = await handlers.check(Told(asking).tool, ["example.org"], Question(words=["a"]), 30)
    keys = {seen.request.headers["Idempotency-Key"] for seen in server.seen}
    assert code is Exit.DONE
    assert len(server.seen) == 3
    assert len(keys) == 1
    assert {seen.body for seen in server.seen} == {b'{"url": "example.org", "words": ["a"]}'}
    assert server.seen[0].request.headers["Prefer"] == "wait=30"


async def test_each_page_has_a_key_of_its_own() -> None:
    async with served(document(documents.check())) as (server, asking):
        await handlers.check(Told(asking).tool, ["a.example", "b.example"], Question(), 0)
    assert len({seen.request.headers["Idempotency-Key"] for seen in server.seen}) == 2
    assert "Prefer" not in server.seen[0].request.headers


async def test_what_does_not_pass_is_told_after_a_few_tries() -> None:
    async with served(problem(503, "database_unavailable", Retry_After="0")) as (server, asking):
        with pytest.raises(ApiError) as caught:
            await asking.ask("GET", "/stats")
    assert len(server.seen) == client.TRIES
    assert caught.value.outcome is Exit.NOT_TAKEN


async def test_nobody_waits_for_long_unasked() -> None:
    async with served(problem(503, "too_many_uploads", Retry_After="3600")) as (server, asking):
        with pytest.raises(ApiError):
            await asking.ask("GET", "/stats")
    assert len(server.seen) == 1


@pytest.mark.parametrize("code", [404, 409, 422, 500])
async def test_a_no_is_not_asked_again(code: int) -> None:
    async with served(problem(code, "x")) as (server, asking):
        with pytest.raises(ApiError):
            await asking.ask("GET", "/stats")
    assert len(server.seen) == 1


@pytest.mark.parametrize("answer", [text("<h1>It works</h1>"), text("<h1>No</h1>", 404), document({"a": 1}, 502)])
async def test_a_stranger_is_not_taken_for_wordwatch(answer: Any) -> None:
    async with served(answer) as (_, asking):
        with pytest.raises(Unreachable) as caught:
            await asking.ask("GET", "/stats")
    assert "not as wordwatch does" in caught.value.reason


async def test_an_answer_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 1000)
    async with served(document(["a" * 2000])) as (_, asking):
        with pytest.raises(Unreachable):
            await asking.ask("GET", "/stats")


async def test_silence_has_an_end() -> None:
    async with served(stay_silent) as (server, asking):
        with pytest.raises(Unreachable) as caught:
            await asking.ask("GET", "/stats", within_s=0.2)
    assert "no answer within" in caught.value.reason
    assert len(server.seen) == 1


async def test_a_server_that_is_not_there_is_told_so() -> None:
    async with served(document({})) as (_, asking):
        asking.server = f"http://{HOST}:{free_port()}"
        with pytest.raises(Unreachable) as caught:
            await asking.ask("GET", "/stats")
        asking.server = "http://no-such-host.invalid"
        with pytest.raises(Unreachable):
            await asking.ask("GET", "/stats")
    assert caught.value.reason == "the connection was refused"


async def test_a_file_is_sent_again_from_its_start() -> None:
    async with served(hang_up, document(documents.batch(), 202)) as (server, asking):
        upload = batching.Upload(io.BytesIO(b"a.example\n" * 20_000), "-", FileFormat.TXT, Question(words=["a", "b"]))
        code = await batching.batch(Told(asking).tool, upload, wait=False)
    assert code is Exit.DONE
    first, second = server.seen
    assert second.body == b"a.example\n" * 20_000
    assert first.request.headers["Idempotency-Key"] == second.request.headers["Idempotency-Key"]
    assert second.request.headers["Content-Type"] == "text/plain"
    assert second.request.query["words"] == "a;b"


async def test_an_archive_is_sent_as_a_form() -> None:
    async with served(document(documents.batch(), 202)) as (server, asking):
        upload = batching.Upload(io.BytesIO(b"PK\x05\x06"), "a folder/pages.zip", FileFormat.ZIP, Question())
        await batching.batch(Told(asking).tool, upload, wait=False)
    assert server.seen[0].request.content_type == "multipart/form-data"
    assert b'name="file"; filename="pages.zip"' in server.seen[0].body
    assert b"PK\x05\x06" in server.seen[0].body


async def test_an_upload_that_was_refused_was_not_taken() -> None:
    async with served(problem(422, "empty_batch")) as (_, asking):
        upload = batching.Upload(io.BytesIO(b""), "-", FileFormat.TXT, Question())
        with pytest.raises(NotTaken):
            await batching.batch(Told(asking).tool, upload, wait=False)


async def test_a_batch_is_followed_over_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.01)
    away = [problem(503, "database_unavailable", Retry_After="0")] * (client.TRIES + 1)
    running = documents.batch(status="running", queued=991, done=0)
    async with served(*away, document(documents.batch())) as (_, asking):
        told = Told(asking)
        ended = await following.follow(told.tool, running)
    assert ended["status"] == "finished"
    assert told.stderr.getvalue() == ""  # no terminal, no bar


async def test_a_batch_whose_server_is_gone_says_how_to_follow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(following, "GONE_FOR_S", 0.0)
    async with served(hang_up) as (_, asking):
        told = Told(asking)
        with pytest.raises(Unreachable):
            await following.follow(told.tool, documents.batch(status="running"))
    assert f"wordwatch show {documents.ID} --wait" in told.stderr.getvalue()


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


@pytest.mark.parametrize("kept", [b"", b"what was there"])
async def test_an_export_that_breaks_off_leaves_nothing(tmp_path: Path, kept: bytes) -> None:
    target = tmp_path / "results.csv"
    if kept:
        target.write_bytes(kept)
    async with served(break_off) as (_, asking):
        with pytest.raises(Unreachable):
            await batching.export(
                Told(asking).tool, documents.ID, ExportFormat.CSV, target, force=bool(kept), stdout=io.BytesIO()
            )
    assert contents(tmp_path) == ([kept] if kept else [])


async def test_pages_of_a_list_are_followed_to_their_end() -> None:
    first = {"items": [documents.check()], "next_cursor": "c"}
    last = {"items": [documents.failed_check()], "next_cursor": None}
    async with served(document(first), document(last)) as (server, asking):
        told = Told(asking, as_json=True)
        await handlers.list_(told.tool, "checks", {"limit": "1"}, all_pages=True)
    assert [json.loads(line)["status"] for line in told.stdout.getvalue().splitlines()] == ["done", "failed"]
    assert [dict(seen.request.query) for seen in server.seen] == [{"limit": "1"}, {"limit": "1", "cursor": "c"}]


async def test_pages_of_a_list_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "MOST_PAGES", 3)
    async with served(document({"items": [], "next_cursor": "again"})) as (server, asking):
        told = Told(asking)
        await handlers.list_(told.tool, "checks", {}, all_pages=True)
    assert len(server.seen) == 3
    assert "stopped after 3 pages" in told.stderr.getvalue()


async def test_a_check_that_takes_longer_is_looked_at_until_time_is_up() -> None:
    queued = documents.check(status="queued", counts=None, total=None)
    async with served(document(queued, 202)) as (server, asking):
        code = await handlers.check(Told(asking).tool, ["a.example"], Question(), 0.6)
    assert code is Exit.UNFINISHED
    assert len(server.seen) > 1
    async with served(document(queued, 202), document(queued), document(documents.check())) as (_, asking):
        async with asyncio.timeout(10):
            assert await handlers.check(Told(asking).tool, ["a.example"], Question(), 30) is Exit.DONE


async def test_an_id_of_neither_says_so_of_both() -> None:
    async with served(problem(404, "not_found")) as (server, asking):
        with pytest.raises(ApiError) as caught:
            await handlers.show(Told(asking).tool, "../stats?x", wait=False)
    assert caught.value.problem["detail"] == "D D"
    assert [seen.request.raw_path for seen in server.seen] == [
        "/api/v1/checks/..%2Fstats%3Fx",
        "/api/v1/batches/..%2Fstats%3Fx",
    ]


async def test_the_advice_of_a_problem_is_looked_up() -> None:
    page = {"code": "x", "meanings": [{"status": 409, "hint": "not this"}, {"status": 422, "hint": "do that"}]}
    async with served(document(page), text("gone", 404)) as (server, asking):
        error = ApiError(422, {"type": "/docs/problems/x"})
        await asking.add_hint(error)
        assert error.hint == "do that"
        assert asking.page_of(error) == f"{server.url}/docs/problems/x"
        other = ApiError(422, {"type": "/docs/problems/y"})
        await asking.add_hint(other)
        assert other.hint == ""

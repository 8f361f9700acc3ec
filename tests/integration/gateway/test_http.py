"""What any request gets, whatever it asks for: limits, problems, headers, access."""

import asyncio
import gzip
import io
import json
import logging
from typing import Any

import pytest
from aiohttp import ClientResponse

from services.gateway.problems import PROBLEMS
from shared.errors import ERRORS
from tests.integration.gateway.stack import CHECKS, Stack

JSON = {"Content-Type": "application/json"}


async def _problem(answer: ClientResponse, status: int, code: str) -> dict[str, Any]:
    text = await answer.text()
    assert answer.status == status, text
    assert answer.content_type == "application/problem+json"
    problem = dict(json.loads(text))
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/docs/problems/{code}")
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"url": "example.org"',
        b"[" * 100_000,
        b'{"url": "\xff"}',
        b'{"label": "\\ud800"}',
        b"NaN",
    ],
)
async def test_a_body_that_is_no_json(stack: Stack, body: bytes) -> None:
    async with stack.http.post(CHECKS, data=body, headers=JSON) as answer:
        await _problem(answer, 400, "invalid_json")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"example.org"', b"1"])
async def test_json_that_is_no_object(stack: Stack, body: bytes) -> None:
    async with stack.http.post(CHECKS, data=body, headers=JSON) as answer:
        problem = await _problem(answer, 422, "invalid_request")
        assert [error["pointer"] for error in problem["errors"]] == [""]


async def test_every_invalid_field_is_named(stack: Stack) -> None:
    body = {"words": ["ok", "", 7], "scope": "all", "whole_word": "yes", "label": "x" * 201, "a/b~c": 1}
    async with stack.http.post(CHECKS, json=body) as answer:
        problem = await _problem(answer, 422, "invalid_request")
    pointers = [error["pointer"] for error in problem["errors"]]
    assert sorted(pointers) == sorted(["/url", "/words/1", "/words/2", "/scope", "/whole_word", "/label", "/a~1b~0c"])
    assert all(error["message"] for error in problem["errors"])


async def test_an_address_that_cannot_be_used_has_its_own_code(stack: Stack) -> None:
    async with stack.http.post(CHECKS, json={"url": "ftp://example.org"}) as answer:
        problem = await _problem(answer, 422, "invalid_url")
        assert [error["pointer"] for error in problem["errors"]] == ["/url"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", ""]
)
async def test_a_body_of_another_type(stack: Stack, content_type: str) -> None:
    async with stack.http.post(CHECKS, data=b"{}", headers={"Content-Type": content_type}) as answer:
        await _problem(answer, 415, "unsupported_media_type")
        assert answer.headers["Accept-Post"] == "application/json"


async def test_a_body_over_a_mebibyte(stack: Stack) -> None:
    body = json.dumps({"url": "example.org", "label": "x" * 2**20}).encode()
    for headers in (JSON, JSON | {"Content-Encoding": "gzip"}):
        data = gzip.compress(body) if "Content-Encoding" in headers else body
        async with stack.http.post(CHECKS, data=io.BytesIO(data), headers=headers) as answer:
            await _problem(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    "body", [b"this is not gzip", gzip.compress(b"x")[:10] + b"\xff" * 8], ids=["from its start", "after its header"]
)
async def test_a_body_that_does_not_decode_is_no_error_of_ours(
    stack: Stack, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    headers = JSON | {"Content-Encoding": "gzip"}
    with caplog.at_level(logging.INFO):
        async with stack.http.post(CHECKS, data=body, headers=headers) as answer:
            await _problem(answer, 400, "bad_request")
        await stack.get("/api/v1/version")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api", "/api/v2/checks", "/nothing", "/checks/x", "/static/x/../app.py"]
)
async def test_there_is_nothing_here(stack: Stack, path: str) -> None:
    async with stack.http.get(path) as answer:
        await _problem(answer, 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", CHECKS, "GET,HEAD,POST"), ("POST", "/api/v1/stats", "GET,HEAD"), ("DELETE", "/", "GET,HEAD,POST")],
)
async def test_what_cannot_be_done_here(stack: Stack, method: str, path: str, allowed: str) -> None:
    async with stack.http.request(method, path) as answer:
        await _problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == allowed


async def test_unknown_query_parameters_are_refused_everywhere(stack: Stack) -> None:
    check = await stack.post(url="example.org")
    for path in ("/api/v1/stats", "/api/v1/version", f"{CHECKS}/{check['id']}", CHECKS):
        async with stack.http.get(path, params={"verbose": "1"}) as answer:
            problem = await _problem(answer, 422, "invalid_request")
            assert problem["errors"][0]["pointer"] == "/verbose"
    async with stack.http.post(CHECKS, params={"verbose": "1"}, json={"url": "example.org"}) as answer:
        await _problem(answer, 422, "invalid_request")


class TestAccess:
    @pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:1", "LOCALHOST.", "count.example.org:443"])
    async def test_known_names_are_answered(self, parts: Stack, host: str) -> None:
        async with (
            parts.gateway(public_hosts=("count.example.org",)),
            parts.http.get("/api/v1/version", headers={"Host": host}) as answer,
        ):
            assert answer.status == 200

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.1", "2130706433"])
    async def test_others_are_not(self, stack: Stack, host: str) -> None:
        async with stack.http.get("/api/v1/version", headers={"Host": host}) as answer:
            await _problem(answer, 421, "unknown_host")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:1"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    async def test_pages_of_other_sites_change_nothing(self, stack: Stack, headers: dict[str, str]) -> None:
        asked: tuple[tuple[str, Any, Any], ...] = (
            (CHECKS, {"url": "example.org"}, None),
            ("/", None, {"address": "example.org"}),
        )
        for path, body, form in asked:
            async with stack.http.post(path, headers=headers, json=body, data=form) as answer:
                await _problem(answer, 403, "cross_site_request")
        async with stack.http.get(CHECKS) as answer:
            assert (await answer.json())["items"] == []

    async def test_our_own_pages_do(self, stack: Stack) -> None:
        headers = {"Origin": stack.url, "Sec-Fetch-Site": "same-origin"}
        await stack.post(url="example.org", headers=headers)


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/api/v1/version", "/nothing", "/docs/problems"])
    async def test_every_answer_is_locked_down(self, stack: Stack, path: str) -> None:
        async with stack.http.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Server"] == "wordwatch"

    async def test_the_callers_request_id_goes_all_the_way(self, stack: Stack) -> None:
        async with stack.http.post(CHECKS, json={"url": "example.org"}, headers={"X-Request-Id": "story-7"}) as answer:
            assert answer.headers["X-Request-Id"] == "story-7"
        assert await stack.ask("SELECT trace FROM checks") == "story-7"

    async def test_a_request_without_a_sane_id_gets_one(self, stack: Stack) -> None:
        given = set()
        for sent in ("x" * 65, "two words"):
            async with stack.http.get("/", headers={"X-Request-Id": sent}) as answer:
                given.add(answer.headers["X-Request-Id"])
        assert len(given) == 2
        assert all(len(one) == 32 for one in given)


async def test_the_type_of_every_problem_leads_to_its_page(stack: Stack) -> None:
    for code in (*PROBLEMS, *ERRORS):
        async with stack.http.get(f"/docs/problems/{code}") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert code in await answer.text()


async def test_a_slow_caller_keeps_nobody_waiting(stack: Stack) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(
        b"POST /api/v1/checks HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    await writer.drain()
    assert (await stack.post(url="example.org"))["status"] == "queued"
    writer.close()
    assert await reader.read() == b""


async def test_what_is_no_http_is_no_error_of_ours(
    stack: Stack, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
    await writer.drain()
    assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR" or record.exc_info]
    said = capsys.readouterr()
    assert "request refused" in said.out + said.err

"""What people see of a running stack from outside: its log lines, its metrics, and nothing that is secret."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.processes import Service
from tests.integration.servers import HOST, eventually, free_port

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
CHECKS = "/api/v1/checks"
LINE = re.compile(r"^\| `(\w+)`[^|]*\| ([a-z, ]+) \|", re.MULTILINE)
OF_EVERY_PROCESS = ("python_", "process_")
SECRET = "geheim"
"""Part of everything that nobody may see."""


@asynccontextmanager
async def pages() -> AsyncIterator[str]:
    """A site: `/flaky` fails once, `/gone` always, `/secret` leads to an address with a password in it."""
    asked: list[str] = []

    async def flaky(request: web.Request) -> web.Response:
        asked.append(request.path)
        if len(asked) == 1:
            return web.Response(status=503)
        return web.Response(text="<title>\x1b[2Jx</title><p>python", content_type="text/html")

    async def lead_away(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"http://me:{SECRET}@{request.host}/{SECRET}?{SECRET}"})

    app = web.Application()
    app.add_routes([web.get("/flaky", flaky), web.get("/secret", lead_away)])
    runner, port = web.AppRunner(app, access_log=None, shutdown_timeout=1), free_port()
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield f"http://{HOST}:{port}"
    finally:
        await runner.cleanup()


async def ask(stack: Fleet, method: str, path: str, request_id: str, **options: Any) -> tuple[int, dict[str, Any]]:
    headers = {"X-Request-Id": request_id, "Prefer": "wait=30"} | options.pop("headers", {})
    async with stack.api.request(method, path, headers=headers, **options) as answer:
        assert answer.headers["X-Request-Id"] == request_id
        text = await answer.text()
        return answer.status, json.loads(text) if text else {}


def lines(stack: Fleet) -> list[dict[str, Any]]:
    """All lines of all services, in the order of their times; each has to be JSON."""
    found = [json.loads(line) for service in stack.services for line in service.log.splitlines()]
    return sorted(found, key=lambda line: str(line["timestamp"]))


def story(stack: Fleet, **wanted: str) -> list[tuple[str, str]]:
    """Who told what, of the lines that have all these fields."""
    return [(line["service"], line["event"]) for line in lines(stack) if wanted.items() <= line.items()]


async def scraped(service: Service) -> dict[str, Any]:
    """The metrics of a service, by name as they are written, without those that any program in Python has."""
    async with aiohttp.ClientSession() as http, http.get(f"{service.ops}/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    named = {f"{one.name}_total" if one.type == "counter" else one.name: one for one in families}
    return {name: one for name, one in named.items() if not name.startswith(OF_EVERY_PROCESS)}


async def test_one_request_is_followed_by_its_id_through_every_service() -> None:
    async with pages() as site, fleet(retry_base_s=0.3) as stack:
        status, check = await ask(stack, "POST", CHECKS, "story-1", json={"url": f"{site}/flaky"})
        assert (status, check["status"], check["attempts"]) == (200, "done", 2)

        def told() -> bool:
            return ("gateway", "request") in story(stack, trace="story-1")

        await eventually(told, what="the last line")
        of_check = {"trace": "story-1", "check": check["id"]}
        assert set(story(stack, **of_check)) == {
            ("gateway", "command settled"),
            ("recorder", "command recorded"),
            ("recorder", "check claimed"),
            ("fetcher", "attempt ended"),
            ("recorder", "attempt recorded"),
            ("scheduler", "check claimed"),
        }
        by_attempt = [(line["service"], line["event"]) for line in lines(stack) if line.get("check") == check["id"]]
        assert by_attempt.count(("fetcher", "attempt ended")) == 2
        attempts = [line for line in lines(stack) if line["event"] == "attempt recorded"]
        assert [(one["outcome"], one["status"]) for one in attempts] == [("http_error", "queued"), ("counted", "done")]
        by_scheduler = [line for line in lines(stack) if line["service"] == "scheduler" and line.get("check")]
        assert [line["attempt"] for line in by_scheduler] == [2], "the retry"
        async with stack.api.get(f"/checks/{check['id']}", headers={"Accept": "text/html"}) as answer:
            page = await answer.text()
        assert re.search(r"request\s*<[^>]*>\s*(<bdi>)?story-1<", page)
        assert "\x1b" not in "".join(service.log for service in stack.services)


async def test_what_is_done_to_a_check_joins_its_own_request_with_the_one_that_made_the_check() -> None:
    async with pages() as site, fleet(recorders=2) as stack:
        _, check = await ask(stack, "POST", CHECKS, "made-1", json={"url": f"{site}/gone"})
        assert check["status"] == "failed"
        path = f"{CHECKS}/{check['id']}"
        assert (await ask(stack, "POST", f"{path}/retry", "retried-2"))[0] == 200

        async def failed() -> bool:
            return bool((await ask(stack, "GET", path, "looked"))[1]["status"] == "failed")

        await eventually(failed, what="the second run")
        assert (await ask(stack, "POST", f"{path}/cancel", "cancelled-3"))[0] == 409
        assert (await ask(stack, "DELETE", path, "deleted-4"))[0] == 204
        expected = [
            ("submit_check", "applied", "made-1", None),
            ("retry_check", "applied", "retried-2", "made-1"),
            ("cancel_check", "already_finished", "cancelled-3", "made-1"),
            ("delete_check", "deleted", "deleted-4", "made-1"),
        ]

        def recorded() -> list[tuple[str, str, str, str | None]]:
            told = [line for line in lines(stack) if line["event"] == "command recorded"]
            assert all(line["check"] == check["id"] for line in told)
            return [(line["kind"], line["outcome"], line["trace"], line.get("check_trace")) for line in told]

        await eventually(lambda: len(recorded()) == len(expected), what="all commands in the log")
        assert recorded() == expected
        for kind, _, trace, _ in expected:
            assert ("gateway", "command settled") in story(stack, trace=trace, kind=kind, check=check["id"])


async def test_no_secret_gets_out_whatever_happens() -> None:
    password = f"{SECRET}-pa%2Fss+wort"
    async with pages() as site, fleet(password=password, max_attempts=1) as stack:
        key = {"Idempotency-Key": f"{SECRET}-schluessel"}
        other = {"url": f"{site}/flaky", "label": "another"}
        await ask(stack, "POST", CHECKS, "r-1", json={"url": f"{site}/flaky"}, headers=key)
        assert (await ask(stack, "POST", CHECKS, "r-2", json=other, headers=key))[0] == 422
        await ask(stack, "POST", CHECKS, "r-3", json={"url": f"{site}/secret"})
        with_password = {"url": f"http://me:{SECRET}@example.org/"}
        assert (await ask(stack, "POST", CHECKS, "r-4", json=with_password))[0] == 422
        for headers in ({"Authorization": f"Bearer {SECRET}"}, {"Cookie": f"session={SECRET}"}):
            await ask(stack, "GET", f"/nothing?token={SECRET}", "r-5", headers=headers)

        async def asked_for(status: int) -> bool:
            return (await ask(stack, "GET", CHECKS, "r-6", params={"label": SECRET}))[0] == status

        await stack.postgres.kill()
        await eventually(lambda: asked_for(503), timeout_s=30, what="no database")
        await ask(stack, "POST", CHECKS, "r-7", json={"url": f"{site}/flaky", "label": "lost"}, headers=key)
        told = [await _told_by_settings(stack.environ), await _told_by_a_start(stack.environ)]
        await stack.postgres.start()
        await eventually(lambda: asked_for(200), timeout_s=30, what="the database")
        for service in stack.services:
            async with aiohttp.ClientSession() as http:
                for page in ("healthz", "readyz", "metrics"):
                    async with http.get(f"{service.ops}/{page}") as answer:
                        told.append(await answer.text())
            await service.terminate()
            told.append(service.log)
        everything = "\n".join(told)
        assert "connect" in everything.lower()
        found = [line for line in everything.splitlines() if SECRET in line or "ss+wort" in line or "ss wort" in line]
        assert found == []


async def _run(environ: dict[str, str], *module: str) -> str:
    command = [sys.executable, "-m", *module]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


async def _told_by_settings(environ: dict[str, str]) -> str:
    told = await _run(environ, "shared.settings")
    assert "WORDWATCH_DATABASE_URL=postgres://" in told
    return told


async def _told_by_a_start(environ: dict[str, str]) -> str:
    """What is said of a URL that can't be read, as one is with a slash in its password."""
    broken = environ | {"WORDWATCH_DATABASE_URL": f"postgres://me:{SECRET}/wort@{HOST}/db"}
    told = await _run(broken, "shared.db.migrate")
    assert "can't be used" in told
    return told


async def test_every_metric_stands_in_the_handbook_and_no_other_one() -> None:
    described = {name: set(services.split(", ")) for name, services in LINE.findall(PAGE.read_text(encoding="utf-8"))}
    async with fleet() as stack:
        found: dict[str, set[str]] = {}
        for service in stack.services:
            for name, family in (await scraped(service)).items():
                found.setdefault(name, set()).add(service.kind)
                assert family.documentation, name
                assert family.type != "unknown", name
                assert not re.search(r"_(ms|msec|milliseconds|minutes|kb|mb|percent)\b", name), f"{name}: base units"
    missing = [f"| `{name}` | {', '.join(sorted(kinds))} |" for name, kinds in found.items() if name not in described]
    assert missing == [], "docs/operations.md lacks:\n" + "\n".join(sorted(missing))
    assert set(described) - set(found) == set(), "there are no such metrics"
    everywhere = {service.kind for service in stack.services}
    told = {name: everywhere if kinds == {"all"} else kinds for name, kinds in described.items()}
    assert told == found


async def test_each_service_says_what_it_lacks_is_alive_all_the_same_and_comes_back() -> None:
    async with fleet() as stack:
        with_database = {"gateway", "recorder", "scheduler"}
        await stack.postgres.kill()
        await eventually(lambda: _lack(stack, "database", with_database), timeout_s=40, what="who lacks the database")
        await stack.postgres.start()
        await eventually(lambda: _lack(stack, "database", set()), timeout_s=40, what="the database is back")
        await stack.nsqds[0].kill()
        everybody = {service.kind for service in stack.services}
        await eventually(lambda: _lack(stack, "nsqd", everybody), timeout_s=40, what="who lacks nsqd")
        await stack.nsqds[0].start()
        await eventually(lambda: _lack(stack, "nsqd", set()), timeout_s=40, what="nsqd is back")
        for service in stack.services:
            await eventually(service.answers, timeout_s=40, what=f"{service.name} is ready again")


async def _lack(stack: Fleet, need: str, kinds: set[str]) -> bool:
    """Whether just these kinds of services say so, on both pages, and all are alive."""
    lacking = set()
    async with aiohttp.ClientSession() as http:
        for service in stack.services:
            async with http.get(f"{service.ops}/readyz") as answer:
                parts = await answer.json()
                assert answer.status == (200 if parts["ready"] else 503)
            async with http.get(f"{service.ops}/healthz") as answer:
                assert answer.status == 200, await answer.text()
            if not parts.get(need, True):
                lacking.add(service.kind)
    return lacking == kinds

"""The gateway as a process, and what it tells of the whole."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from shared.version import RULE_VERSION, VERSION
from tests.integration.gateway.stack import CHECKS, REPOSITORY, Stack
from tests.integration.servers import Nsqd, Nsqlookupd, eventually


async def test_sigterm_ends_the_process_in_order(parts: Stack) -> None:
    async with parts.process() as process:
        assert await parts.get("/api/v1/version") == {"version": VERSION, "api": "v1", "rule_version": RULE_VERSION}
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        async with asyncio.timeout(20):
            rest = await process.stderr.read()
            assert await process.wait() == 0, rest.decode()
        assert b"service ended" in rest
        assert b"rror" not in rest


async def test_without_a_database_the_process_says_what_to_do(parts: Stack) -> None:
    environment = {"PATH": os.environ["PATH"], "WORDWATCH_NSQD": parts.nsqd.tcp, "WORDWATCH_PORT": str(parts.port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway", cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(20):
        _, said = await process.communicate()
    assert process.returncode not in (0, None)
    assert b"WORDWATCH_DATABASE_URL" in said


async def test_stats_tell_of_checks_queues_fetchers_and_hosts(parts: Stack) -> None:
    async with Nsqlookupd() as lookupd, Nsqd(lookupds=[lookupd]) as nsqd:
        parts.nsqd = nsqd
        async with parts.recorder(), parts.gateway(nsqd=(), nsqlookupd=(lookupd.http,)):
            before = await parts.get("/api/v1/stats")
            assert before["checks"]["total"] == 0
            assert before["due"] == {"count": 0, "oldest_s": None}
            assert before["fetchers"] == []
            await parts.post(url="example.org")
            await parts.post(url="example.org:8080/x")

            async def counted() -> bool:
                stats = await parts.get("/api/v1/stats")  # its parts are not of the same moment
                return bool(stats["checks"]["total"] == stats["due"]["count"] == 2)

            await eventually(counted, what="the new checks are counted")
            stats = await parts.get("/api/v1/stats")
    assert stats["checks"]["by_status"] == {"queued": 2, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    assert stats["due"]["count"] == 2
    assert 0 < stats["due"]["oldest_s"] < 30
    assert {host["host"]: (host["queued"], host["leased"]) for host in stats["hosts"]} == {
        "example.org": (1, 0),
        "example.org:8080": (1, 0),
    }
    assert set(stats["queues"]["topics"]) == {"commands", "checks", "checks.bulk", "results"}
    assert stats["queues"]["unreached"] == []


async def test_stats_tell_of_each_host_what_waits_and_why(stack: Stack) -> None:
    await stack.fetchers_are_there()
    for number in range(5):  # two at once may run, the others wait
        await stack.post(url=f"example.org/{number}")
    await stack.post(url="example.net")
    await stack.execute("UPDATE queue SET due_at = due_at - interval '1 min'")
    await stack.execute("UPDATE hosts SET next_start_at = '2100-01-01Z' WHERE host = 'example.org'")
    await stack.execute("UPDATE hosts SET next_start_at = '-infinity' WHERE host = 'example.net'")
    stats = await stack.get("/api/v1/stats")
    busy, other = stats["hosts"]
    assert (busy["host"], busy["queued"] + busy["leased"]) == ("example.org", 5)
    assert busy["queued"] >= 3
    assert 60 < busy["oldest_due_s"] < 90
    assert busy["paused_until"] == "2100-01-01T00:00:00Z"
    assert other == {"host": "example.net", "queued": 0, "leased": 1, "oldest_due_s": None, "paused_until": None}
    assert stats["due"]["count"] == busy["queued"]
    assert stats["due"]["oldest_s"] == pytest.approx(busy["oldest_due_s"])


async def test_stats_show_the_fetchers(stack: Stack) -> None:
    await stack.fetchers_are_there()
    stats = await stack.get("/api/v1/stats")
    (fetcher,) = stats["fetchers"]
    assert (fetcher["id"], fetcher["capacity"], fetcher["finished_last_s"]) == ("f-1", 64, 3)
    assert 0 <= fetcher["seen_s_ago"] < 10
    assert stats["rate_per_s"] == 3


async def test_metrics_count_requests_by_route_and_not_by_path(parts: Stack) -> None:
    async with parts.gateway() as service:
        for number in range(3):
            await parts.get(f"{CHECKS}/{number}", status=404)
        async with parts.http.request("PROPFIND", "/"):
            pass
        labels = {"method": "GET", "route": f"{CHECKS}/{{id}}", "status": "404"}
        assert service.registry.get_sample_value("wordwatch_gateway_request_seconds_count", labels) == 3
        labels = {"method": "other", "route": "none", "status": "405"}
        assert service.registry.get_sample_value("wordwatch_gateway_request_seconds_count", labels) == 1
        assert service.registry.get_sample_value("wordwatch_gateway_waiting_requests") == 0


async def test_metrics_count_redirects_as_such(parts: Stack) -> None:
    async with parts.recorder(), parts.gateway() as service:
        async with parts.http.post("/", data={"address": "example.org"}, allow_redirects=False) as led_on:
            assert led_on.status == 303
        labels = {"method": "POST", "route": "/", "status": "303"}
        assert service.registry.get_sample_value("wordwatch_gateway_request_seconds_count", labels) == 1

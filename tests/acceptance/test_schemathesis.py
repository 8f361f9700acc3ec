"""Requests made of the OpenAPI document, right and wrong ones and chains of them, against all that runs."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.gateway.openapi import document
from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.pages import HOSTS, site
from tests.acceptance.processes import ROOT
from tests.integration.servers import free_port

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
PAGES = "127.0.1.0/24,127.0.2.0/24"
CHECKS = "/api/v1/checks"
BATCHES = "/api/v1/batches"
SEEN = {
    f"POST {CHECKS}": {200, 202, 400, 415, 422},
    f"GET {CHECKS}": {200, 422},
    f"GET {CHECKS}/{{id}}": {200, 404},
    f"DELETE {CHECKS}/{{id}}": {204, 404},
    f"GET {CHECKS}/{{id}}/attempts": {200, 404},
    f"POST {CHECKS}/{{id}}/cancel": {404, 409},
    f"POST {CHECKS}/{{id}}/retry": {202, 404, 409},
    f"POST {CHECKS}/retry": {202, 422},
    f"POST {BATCHES}": {202, 415, 422},
    f"GET {BATCHES}": {200, 422},
    f"GET {BATCHES}/{{id}}": {200, 404},
    f"DELETE {BATCHES}/{{id}}": {204, 404},
    f"GET {BATCHES}/{{id}}/lines": {200, 404},
    f"GET {BATCHES}/{{id}}/export": {200, 404},
    f"POST {BATCHES}/{{id}}/pause": {404},
    f"POST {BATCHES}/{{id}}/resume": {404},
    f"POST {BATCHES}/{{id}}/cancel": {404},
    f"POST {BATCHES}/{{id}}/retry": {404, 409},
    "GET /api/v1/stats": {200},
    "GET /api/v1/version": {200},
    "GET /api/v1/openapi.json": {200},
}
"""Answers that have to come of each operation, so that no run passes because little was tried."""


@pytest.mark.timeout(420)
async def test_the_api_does_what_its_description_says(tmp_path: Path) -> None:
    await _explore(tmp_path, "--max-examples=10", timeout_s=360)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_the_api_does_what_its_description_says_at_length(tmp_path: Path) -> None:
    await _explore(tmp_path, "--max-examples=400", timeout_s=1500)


async def _explore(folder: Path, *options: str, timeout_s: float) -> None:
    async with site() as pages, _silent_port() as silent_port, fleet(allow_targets=PAGES) as stack:
        async with stack.api.get("/api/v1/openapi.json") as answer:
            described = await answer.read()
        (folder / "openapi.json").write_bytes(described)
        code, output = await _run(
            stack,
            folder,
            {"PAGES_PORT": str(pages.port), "SILENT_PORT": str(silent_port)},
            *options,
            timeout_s=timeout_s,
        )
        assert code == 0, output
        assert described == msgspec.json.encode(document.make())
        hosts: list[str] = await stack.postgres.ask("SELECT array_agg(DISTINCT host) FROM checks")
    told = json.loads((folder / "report.json").read_text())
    assert told["complete"]
    assert told["operations"]["tested"] == len(SEEN)
    assert {name: phase["status"] for name, phase in told["phases"].items()} == dict.fromkeys(
        ("examples", "coverage", "fuzzing", "stateful"), "success"
    )
    seen: dict[str, set[int]] = {}
    for operation, request, status in _exchanged(folder / "report.ndjson"):
        assert request["uri"].startswith(stack.gateways[0].url)
        assert status < 500
        seen.setdefault(operation, set()).add(status)
    assert {name: statuses - seen[name] for name, statuses in SEEN.items() if statuses - seen[name]} == {}
    assert [host for host in hosts if not host.startswith(("127.", "[::1]", "localhost"))] == []


@asynccontextmanager
async def _silent_port() -> AsyncIterator[int]:
    """Takes connections where there are pages, and says nothing."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
        writer.close()

    port = free_port()
    async with await asyncio.start_server(say_nothing, HOSTS, port):
        yield port


async def _run(
    stack: Fleet, folder: Path, ports: dict[str, str], *options: str, timeout_s: float
) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", folder / "openapi.json", "--url", stack.gateways[0].url),
        *("--continue-on-failure", "--generation-deterministic", "--no-color", *options),
        *("--report-json-path", folder / "report.json", "--report-ndjson-path", folder / "report.ndjson"),
        cwd=folder,  # it leaves notes where it runs
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            **ports,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
            await process.wait()
    print(output.decode())
    return process.returncode, output.decode()


def _exchanged(report: Path) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Each request with its operation and the status of its answer; other methods than the operation's left out."""
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for name, exchange in recorder.get("interactions", {}).items():
            case = recorder["cases"][name]["value"]
            operation = f"{exchange['request']['method']} {case['path']}"
            if operation in SEEN:
                yield operation, exchange["request"], exchange["response"]["status_code"]

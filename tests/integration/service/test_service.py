"""A service as a process: how it starts, what its ops port says, and how it ends."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from shared.version import VERSION
from tests.integration.servers import eventually, free_port

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys, time
from shared.service import Patience, Service, main

async def run(service: Service) -> None:
    {body}

sys.exit(main("trial", run, patience=Patience(stall_s={stall_s}, stop_s={stop_s})))
"""


@asynccontextmanager
async def running(
    body: str, *, stall_s: float = 60, stop_s: float = 60, **environ: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM.format(body=body.replace("\n", "\n    "), stall_s=stall_s, stop_s=stop_s),
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environ},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def get(port: int, path: str) -> tuple[int, str]:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/{path}") as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return 0, ""


async def test_the_ops_port_tells_what_is_missing_until_it_is_there() -> None:
    port = free_port()
    body = (
        'service.needs["later"] = lambda: asyncio.get_running_loop().time() > began + 1\n'
        "began = asyncio.get_running_loop().time()\n"
        "await service.stopping.wait()"
    )
    async with running(body, WORDWATCH_OPS_PORT=str(port)) as process:

        async def says(path: str, status: int) -> bool:
            return (await get(port, path))[0] == status

        await eventually(lambda: says("readyz", 503), what="not ready")
        assert '"later": false' in (await get(port, "readyz"))[1]
        assert (await get(port, "healthz"))[0] == 200
        await eventually(lambda: says("readyz", 200), what="ready")
        process.terminate()
        assert (await ended(process))[0] == 0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            'service.supervise(asyncio.sleep(0), "short")\nawait service.stopping.wait()',
            "task ended before the service",
        ),
        ('service.supervise(service.no_such(), "broken")\nawait service.stopping.wait()', "no_such"),
        (
            'async def fail():\n    raise OSError("gone")\n'
            'service.supervise(fail(), "fails")\nawait service.stopping.wait()',
            "gone",
        ),
        (  # what waits for something that is cancelled ends as if it had been cancelled itself
            "async def wait():\n    never = asyncio.get_running_loop().create_future()\n    never.cancel()\n"
            '    await never\nservice.supervise(wait(), "cancelled by accident")\nawait service.stopping.wait()',
            "cancelled by accident",
        ),
    ],
)
async def test_a_task_that_dies_takes_its_service_down(body: str, told: str) -> None:
    async with running(body) as process:
        code, errors = await ended(process)
    assert code == 1
    assert told in errors


async def test_a_port_in_use_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running("await service.stopping.wait()", WORDWATCH_OPS_PORT=str(port)) as process:
            code, errors = await ended(process)
    assert code == 2
    assert f"can't listen on 127.0.0.1, port {port}" in errors
    assert "Traceback" not in errors


async def test_a_service_that_has_lost_a_task_is_not_alive_even_while_it_ends_in_order() -> None:
    port = free_port()
    body = (
        "async def fail():\n    await asyncio.sleep(0.5)\n    raise OSError\n"
        'service.needs["nothing"] = lambda: True\nservice.supervise(fail(), "the one that matters")\n'
        "await service.stopping.wait()\nawait asyncio.sleep(60)"
    )
    async with running(body, stop_s=6, WORDWATCH_OPS_PORT=str(port)) as process:

        async def dead() -> bool:
            return (await get(port, "healthz"))[0] == 503

        await eventually(dead, what="not alive")
        assert "the one that matters" in (await get(port, "healthz"))[1]
        assert (await get(port, "readyz"))[0] == 503
        assert (await ended(process))[0] == 1, "though what was to end in order hangs"


async def test_a_service_that_ends_because_it_was_told_to_is_alive_but_not_ready() -> None:
    port = free_port()
    body = 'service.needs["nothing"] = lambda: True\nawait service.stopping.wait()\nawait asyncio.sleep(60)'
    async with running(body, WORDWATCH_OPS_PORT=str(port)) as process:

        async def says(status: int) -> bool:
            return (await get(port, "readyz"))[0] == status

        await eventually(lambda: says(200), what="ready")
        process.terminate()
        await eventually(lambda: says(503), what="not ready")
        assert (await get(port, "healthz"))[0] == 200
        process.kill()


async def test_a_stalled_event_loop_shows_in_the_metrics_and_ends_its_process_if_it_lasts() -> None:
    port = free_port()
    body = (
        'service.needs["nothing"] = lambda: True\nawait asyncio.sleep(1)\ntime.sleep(1.5)\nawait asyncio.sleep(2)\n'
        "time.sleep(60)"
    )
    stalled = 'wordwatch_event_loop_lag_seconds_bucket{le="1.0"}'
    async with running(body, stall_s=4, WORDWATCH_OPS_PORT=str(port)) as process:

        async def seen() -> bool:
            _, text = await get(port, "metrics")
            values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            return bool(values) and float(values[stalled]) < float(values["wordwatch_event_loop_lag_seconds_count"])

        await eventually(seen, what="a stall in the metrics")
        code, errors = await ended(process)
    assert code == 1
    assert "time.sleep" in errors or "in run" in errors, "it says where it hung"


async def test_metrics_tell_the_release_the_needs_the_process_and_the_lines_of_the_log() -> None:
    port = free_port()
    body = 'service.needs |= {"there": lambda: True, "gone": lambda: False}\nawait service.stopping.wait()'
    async with running(body, WORDWATCH_OPS_PORT=str(port)):

        async def told() -> bool:
            return 'wordwatch_ready{need="gone"} 0.0' in (await get(port, "metrics"))[1]

        await eventually(told, what="metrics")
        _, text = await get(port, "metrics")
    assert f'wordwatch_build_info{{version="{VERSION}"}} 1.0' in text
    assert 'wordwatch_ready{need="there"} 1.0' in text
    assert 'wordwatch_log_lines_total{level="info"}' in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


async def test_sigterm_ends_a_service_that_is_still_starting() -> None:
    port = free_port()
    async with running("await service.while_starting(asyncio.sleep(60))", WORDWATCH_OPS_PORT=str(port)) as process:

        async def alive() -> bool:
            return (await get(port, "healthz"))[0] == 200

        await eventually(alive, what="the ops port")
        assert (await get(port, "readyz"))[0] == 503  # though it has not said yet what it needs
        process.terminate()
        code, errors = await ended(process)
    assert code == 0
    assert "before it had started" in errors


async def test_a_setting_that_can_not_be_used_is_named_and_misspelt_ones_are_told() -> None:
    async with running("service.database_url()", WORDWATCH_PROT="1") as process:
        code, errors = await ended(process)
    assert code == 2
    assert "WORDWATCH_DATABASE_URL is not set" in errors
    assert "WORDWATCH_PROT" in errors
    async with running("pass", WORDWATCH_LEASE_S="1") as process:
        code, errors = await ended(process)
    assert code == 2
    assert errors.startswith("trial: WORDWATCH_LEASE_S")
    assert "Traceback" not in errors


async def test_logs_are_json_where_nobody_looks_and_lines_where_asked() -> None:
    async with running("service.stopping.set()") as process:
        _, errors = await ended(process)
    assert all(json.loads(line)["service"] == "trial" for line in errors.splitlines())
    async with running("service.stopping.set()", WORDWATCH_LOG_FORMAT="console") as process:
        _, errors = await ended(process)
    assert "service starts" in errors
    assert "{" not in errors

"""A service as a process: how it starts, what its ops port says, and how it ends."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.integration.servers import eventually, free_port

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys
from shared.service import Service, main

async def run(service: Service) -> None:
    {body}

sys.exit(main("trial", run))
"""


@asynccontextmanager
async def running(body: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM.format(body=body.replace("\n", "\n    ")),
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
    ],
)
async def test_a_task_that_dies_takes_its_service_down(body: str, told: str) -> None:
    async with running(body) as process:
        code, errors = await ended(process)
    assert code == 1
    assert told in errors


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
    assert '"service": "trial"' in errors
    async with running("service.stopping.set()", WORDWATCH_LOG_FORMAT="console") as process:
        _, errors = await ended(process)
    assert "service starts" in errors
    assert "{" not in errors

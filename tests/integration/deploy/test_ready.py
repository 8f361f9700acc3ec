"""The health check of a container, as Docker runs it, against a real ops port."""

import asyncio
import socket
import sys
from pathlib import Path

import prometheus_client
import pytest
from aiohttp import web

from shared import ops
from tests.integration.servers import free_port

PROGRAM = Path(__file__).parents[3] / "deploy" / "image" / "ready.py"


async def ask(port: int) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-SI", PROGRAM),
        env={"WORDWATCH_OPS_PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode()


@pytest.mark.parametrize(("database", "code"), [(True, 0), (False, 1)])
async def test_it_tells_whether_the_service_can_do_its_work(database: bool, code: int) -> None:
    registry = prometheus_client.CollectorRegistry()
    app = ops.make_app(dead=lambda: None, readiness=lambda: {"database": database}, registry=registry)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()

        ended, said = await ask(runner.addresses[0][1])
    finally:
        await runner.cleanup()

    assert ended == code
    assert f'"database": {str(database).lower()}' in said


async def test_nobody_there_is_not_ready() -> None:
    ended, said = await ask(free_port())

    assert ended == 1
    assert "does not answer" in said


async def test_an_answer_that_does_not_come_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ended, said = await ask(silent.getsockname()[1])

    assert ended == 1
    assert "timed out" in said

"""A Redis of one's own, as the peers' documentation starts it: nothing of it stays."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.peers.environment import program
from bench.processes import listening, running
from tests.integration.servers import free_port


@asynccontextmanager
async def redis() -> AsyncIterator[str]:
    """Runs a server until the block ends; its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="wordwatch-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        async with running(program("redis-server", "redis-server"), *options):
            await listening("127.0.0.1", port, what="redis-server")
            yield f"redis://127.0.0.1:{port}/0"

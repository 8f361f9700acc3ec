"""The ops port that every service has: /healthz (alive), /readyz (can do its work), /metrics (Prometheus)."""

from collections.abc import Callable, Mapping

import prometheus_client
import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

Readiness = Callable[[], Mapping[str, bool]]
"""Returns, for each thing that the service needs, whether it is there."""


def make_app(*, readiness: Readiness, registry: prometheus_client.CollectorRegistry) -> web.Application:
    """The three pages. /readyz answers 503 and names what is missing until all of `readiness` is true."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        parts = dict(readiness())
        return web.json_response({"ready": all(parts.values()), **parts}, status=200 if all(parts.values()) else 503)

    async def metrics(_request: web.Request) -> web.Response:
        body = prometheus_client.generate_latest(registry)
        return web.Response(body=body, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


async def start(app: web.Application, *, host: str, port: int) -> web.AppRunner:
    """Serves the ops pages; the caller cleans the runner up.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    log.info("ops port open", address=runner.addresses[0][0], port=runner.addresses[0][1])
    return runner

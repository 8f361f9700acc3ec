"""The ops port that every service has: /healthz (alive), /readyz (can do its work), /metrics (Prometheus)."""

from collections.abc import Callable, Mapping
from typing import Final

import prometheus_client
import structlog
from aiohttp import web

from shared.web import serving
from shared.web.limits import Limits

log = structlog.get_logger(__name__)

LIMITS: Final = Limits(max_connections=64, max_turned_away=8)
"""A probe, a scraper, and a person who looks: what is slow or far more than that takes nothing from the service."""

Readiness = Callable[[], Mapping[str, bool]]
"""Returns, for each thing that the service needs, whether it is there."""
Death = Callable[[], str | None]
"""Returns why the service can't go on, or None."""


def make_app(*, dead: Death, readiness: Readiness, registry: prometheus_client.CollectorRegistry) -> web.Application:
    """The three pages.

    /healthz answers 503 and says why once something has died that only another process can do; one whose event loop
    hangs does not answer at all. /readyz answers 503 and names what is missing until all of `readiness` is true.
    """

    async def healthz(_request: web.Request) -> web.Response:
        why = dead()
        if why is not None:
            return web.json_response({"alive": False, "why": why}, status=503)
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
        serving.CannotListenError: the port is taken.
    """
    runner, _ = await serving.serve(app, hosts=[host], port=port, finish_within_s=1, limits=LIMITS)
    log.info("ops port open", address=runner.addresses[0][0], port=runner.addresses[0][1])
    return runner

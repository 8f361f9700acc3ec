"""The web application: routes, middlewares and limits put together, and how it is served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol
from uuid import UUID

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from services.gateway.access import KnownHosts
from services.gateway.assets import Assets
from services.gateway.metrics import Metrics
from services.gateway.middlewares import access, add_headers, answer_problems, observe
from services.gateway.pages import problem_page, setup_templates
from services.gateway.requests import MAX_JSON_BYTES
from shared.clock import WallClock

KEEPALIVE_S: Final = 75.0
FINISH_WITHIN_S: Final = 15.0
"""At a stop, requests under way have this long; none takes longer than its deadlines but for waiting, which is cut."""


class Routed(Protocol):
    """A part of the website."""

    def routes(self) -> list[web.RouteDef]:
        """Where its handlers answer."""


def make_app(
    *,
    parts: Iterable[Routed],
    assets: Assets,
    known_hosts: KnownHosts,
    metrics: Metrics,
    clock: WallClock,
    new_id: Callable[[], UUID],
) -> web.Application:
    """Puts the application together of `parts` and the assets."""
    app = web.Application(
        middlewares=[observe(new_id, metrics), answer_problems(problem_page), access(known_hosts)],
        client_max_size=MAX_JSON_BYTES,
    )
    app.on_response_prepare.append(add_headers)
    setup_templates(app, assets, clock)
    app.add_routes([route for part in (*parts, assets) for route in part.routes()])
    return app


class _CallersFaults(logging.Filter):
    """Makes one quiet line of bytes that are no HTTP, and of bodies that are not what their headers say.

    Anybody can send some, and they are no error of ours.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | RequestPayloadError):
            if isinstance(error, RequestPayloadError):  # aiohttp says "Unhandled exception" of what was answered
                record.msg, record.args = "request body broken: %s", (str(error) or type(error).__name__,)
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.exc_info = record.exc_text = None
        return True


def _logger() -> logging.Logger:
    logger = logging.getLogger(__name__)
    if not logger.filters:
        logger.addFilter(_CallersFaults())
    return logger


async def serve(app: web.Application, *, host: str, port: int) -> web.AppRunner:
    """Serves the application; the caller cleans the runner up, which lets requests under way end.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_logger(),
        handler_cancellation=True,  # who has left waits for nothing
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=FINISH_WITHIN_S,
    )
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner

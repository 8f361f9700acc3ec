"""The web application: routes, middlewares and limits put together, and how it is served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from services.gateway.access import KnownHosts
from services.gateway.assets import Assets
from services.gateway.metrics import Metrics
from services.gateway.middlewares import access, add_headers, answer_problems, observe
from services.gateway.pages import problem_page, setup_templates
from shared.clock import WallClock
from shared.web import serving
from shared.web.door import Door
from shared.web.limits import Limits
from shared.web.refusals import Refuse

LIMITS: Final = Limits()
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
    max_json_bytes: int,
) -> web.Application:
    """Puts the application together of `parts` and the assets."""
    app = web.Application(
        middlewares=[
            observe(new_id, metrics),
            answer_problems(problem_page),
            access(known_hosts, max_head_bytes=LIMITS.max_head_bytes),
        ],
        client_max_size=max_json_bytes,
    )
    app.on_response_prepare.append(add_headers)
    setup_templates(app, assets, clock)
    app.add_routes([route for part in (*parts, assets) for route in part.routes()])
    return app


class _CallersFaults(logging.Filter):
    """Makes one quiet line of bodies that are not what their headers say: anybody can send some, no error of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
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


async def serve(
    app: web.Application, *, hosts: Iterable[str], port: int, max_connections: int, refuse: Refuse
) -> tuple[web.AppRunner, Door]:
    """Serves the application; the caller cleans the runner up, which lets requests under way end.

    Raises:
        CannotListenError: the port is taken.
    """
    return await serving.serve(
        app,
        hosts=hosts,
        port=port,
        finish_within_s=FINISH_WITHIN_S,
        limits=replace(LIMITS, max_connections=max_connections),
        refuse=refuse,
        logger=_logger(),
    )

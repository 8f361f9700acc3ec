"""Where the document is: `GET /openapi.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import ETag, hdrs, web

from services.gateway.answers import API
from services.gateway.requests import no_parameters

PATH: Final = f"{API}/openapi.json"


class Description:
    """Serves the document, written once.

    Args:
        document: the OpenAPI document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._body = msgspec.json.encode(document)
        self._etag = hashlib.sha256(self._body).hexdigest()[:32]

    def routes(self) -> list[web.RouteDef]:
        """Where it is."""
        return [web.get(PATH, self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """`GET /openapi.json`: 304 for who has it already (RFC 9110 §13.1.2)."""
        no_parameters(request.query.items())
        headers = {hdrs.ETAG: f'"{self._etag}"', hdrs.CACHE_CONTROL: "no-cache"}
        if self._is_known(request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._body, content_type="application/json", headers=headers)

    def _is_known(self, tags: tuple[ETag, ...]) -> bool:
        return any(tag.value in {self._etag, "*"} for tag in tags)

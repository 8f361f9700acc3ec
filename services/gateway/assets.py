"""The style sheet, the icon and the script: read once, served under a path that has a digest of their content.

So a browser may keep each for ever, and a new release has new paths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its content, media type, and where it is served."""

    content: bytes
    content_type: str
    digest: str
    path: str


def load(folder: Path = FOLDER) -> dict[str, Asset]:
    """Reads all files of the folder, by name."""
    assets = {}
    for file in sorted(folder.iterdir()):
        if file.suffix in _TYPES:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:16]
            assets[file.name] = Asset(content, _TYPES[file.suffix], digest, f"/static/{digest}/{file.name}")
    return assets


class Assets:
    """Serves them."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self._assets = assets

    def path(self, name: str) -> str:
        """Where the file `name` is served."""
        return self._assets[name].path

    def routes(self) -> list[web.RouteDef]:
        """The route of all files."""
        return [web.get("/static/{digest}/{name}", self.serve)]

    async def serve(self, request: web.Request) -> web.Response:
        """One file. Under the digest of another release the present one is sent, but not to be kept."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        kept = "public, max-age=31536000, immutable" if request.match_info["digest"] == asset.digest else "no-cache"
        headers = {hdrs.CACHE_CONTROL: kept, hdrs.ETAG: f'"{asset.digest}"'}
        if f'"{asset.digest}"' in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.content, content_type=asset.content_type, charset="utf-8", headers=headers)

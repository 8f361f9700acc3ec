"""Style sheets, scripts and the icon: read once, served under a path that has a digest of their content.

So a browser may keep each for ever, and a new release has new paths. Large ones go compressed to whoever takes that.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

SWAGGER_UI: Final = ("swagger-ui-bundle.js", "swagger-ui.css")
"""What `/docs` takes of the package that brings Swagger UI along."""
_SWAGGER_UI_PACKAGE: Final = "drf_spectacular_sidecar"
_SWAGGER_UI_FOLDER: Final = Path("static") / _SWAGGER_UI_PACKAGE / "swagger-ui-dist"

_WORTH_PACKING_BYTES: Final = 1024
_PACKING_LEVEL: Final = 6  # level 9 takes twice the time and saves 0.3 %


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its content, media type, and where it is served."""

    content: bytes
    content_type: str
    digest: str
    path: str


def load() -> dict[str, Asset]:
    """Reads the files of `static/` and Swagger UI's, by name.

    Raises:
        FileNotFoundError: Swagger UI is not installed.
    """
    swagger_ui = _swagger_ui_folder()
    return read([*sorted(FOLDER.iterdir()), *(swagger_ui / name for name in SWAGGER_UI)])


def read(files: Iterable[Path]) -> dict[str, Asset]:
    """Reads those of the files that can be served, by name."""
    assets = {}
    for file in files:
        if file.suffix in _TYPES:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:16]
            assets[file.name] = Asset(content, _TYPES[file.suffix], digest, f"/static/{digest}/{file.name}")
    return assets


def _swagger_ui_folder() -> Path:
    """Where the package has its files. It is found but not imported: its code wants Django, its files do not."""
    spec = importlib.util.find_spec(_SWAGGER_UI_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {_SWAGGER_UI_PACKAGE} is not installed; see requirements/services.lock")
    return Path(spec.submodule_search_locations[0]) / _SWAGGER_UI_FOLDER


class Assets:
    """Serves them."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self._assets = assets
        self._packed: dict[str, asyncio.Task[bytes]] = {}

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
        packs = len(asset.content) >= _WORTH_PACKING_BYTES
        is_packed = packs and takes_gzip(request.headers.getall(hdrs.ACCEPT_ENCODING, []))
        # The bytes differ, so the strong tags have to (RFC 9110 §8.8.3.3).
        tag = f'"{asset.digest}-gzip"' if is_packed else f'"{asset.digest}"'
        headers = {hdrs.CACHE_CONTROL: kept, hdrs.ETAG: tag}
        if packs:
            headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        if is_packed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        body = await self._pack(asset) if is_packed else asset.content
        return web.Response(body=body, content_type=asset.content_type, charset="utf-8", headers=headers)

    async def _pack(self, asset: Asset) -> bytes:
        """The file compressed: in a thread, once, when somebody first asks for it, so that no start waits for it."""
        if asset.path not in self._packed:
            packing = asyncio.to_thread(gzip.compress, asset.content, _PACKING_LEVEL, mtime=0)
            self._packed[asset.path] = asyncio.create_task(packing)
        return await asyncio.shield(self._packed[asset.path])  # who leaves takes it from nobody else


def takes_gzip(accept_encoding: Iterable[str]) -> bool:
    """Whether the caller takes gzip (RFC 9110 §12.5.3): it is named, or `*` is, and not with a weight of 0.

    Args:
        accept_encoding: values of all Accept-Encoding headers.
    """
    weights = {}
    for coding in ",".join(accept_encoding).split(","):
        name, _, parameters = coding.partition(";")
        weights[name.strip().lower()] = not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", parameters)
    return weights.get("gzip", weights.get("*", False))

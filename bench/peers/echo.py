"""An aiohttp server that takes the body of a submission apart and says 202: `python -m bench.peers.echo PORT`."""

import json
import sys
import uuid

import uvloop
from aiohttp import web


async def accept(request: web.Request) -> web.Response:
    """Answers in the form of `POST /api/v1/checks`, and does nothing."""
    asked = await request.json()
    body = {"id": str(uuid.uuid4()), "url": asked["url"], "status": "queued", "words": ["python"], "attempts": 0}
    return web.Response(status=202, body=json.dumps(body).encode(), content_type="application/json")


async def serve(port: int) -> web.Application:
    """The application."""
    app = web.Application()
    app.router.add_post("/api/v1/checks", accept)
    return app


if __name__ == "__main__":
    uvloop.install()
    web.run_app(serve(int(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)

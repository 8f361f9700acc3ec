import json

import msgspec

from services.gateway.openapi import document
from tests.integration.gateway.stack import Stack

PLACE = "/api/v1/openapi.json"


async def test_the_document_is_served_and_need_not_be_read_twice(stack: Stack) -> None:
    async with stack.http.get("/api/v1/version") as answer:
        assert str(answer.links["service-desc"]["url"]) == f"{stack.url}{PLACE}"
    async with stack.http.get(PLACE) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert json.loads(await answer.read()) == json.loads(msgspec.json.encode(document.make()))
        etag = answer.headers["ETag"]
    async with stack.http.get(PLACE, headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with stack.http.head(PLACE) as answer:
        assert (answer.status, answer.headers["ETag"], await answer.read()) == (200, etag, b"")

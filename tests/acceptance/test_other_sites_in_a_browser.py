"""A page of another site, in a real browser where wordwatch runs: it changes nothing and reads nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.acceptance.browsing import REBOUND, WAIT_MS
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.pages import answer, page_server

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

SECRET = "eyes-only"
EVIL = "<!doctype html><title>Kittens</title><p>Nothing to see here.</p>"

# Each attempt ends with what the other site has learnt by it; "blocked" is nothing.
ATTEMPTS = """async ([gateway, id]) => {
  const blocked = (promise) => promise.catch(() => "blocked");
  const read = async (path, options) => {
    const answer = await fetch(gateway + path, options);
    return answer.type === "opaque" ? "opaque" : `read ${answer.status} ${await answer.text()}`;
  };
  const loaded = (element) => new Promise((resolve) => {
    element.onload = () => resolve("loaded"); element.onerror = () => resolve("blocked");
    document.body.append(element);
  });
  const make = (name, values) => Object.assign(document.createElement(name), values);
  const form = new URLSearchParams({ address: "example.org" }), json = JSON.stringify({ url: "example.org" });
  const plain = { "content-type": "text/plain" }, real = { "content-type": "application/json" };
  const simple = { mode: "no-cors", credentials: "include" };
  const socket = new Promise((resolve) => {
    const one = new WebSocket(gateway.replace("http", "ws") + "/");
    one.onopen = () => resolve("open"); one.onerror = () => resolve("blocked");
  });
  const upload = new FormData(); upload.append("address", "example.org");
  return {
    "json": await blocked(read("/api/v1/checks", { method: "POST", headers: real, body: json })),
    "json as text": await blocked(read("/api/v1/checks", { ...simple, method: "POST", headers: plain, body: json })),
    "form to /": await blocked(read("/", { ...simple, method: "POST", body: form })),
    "form to /tasks": await blocked(read("/tasks", { ...simple, method: "POST", body: form })),
    "upload": await blocked(read("/tasks", { ...simple, method: "POST", body: upload })),
    "button": await blocked(read(`/checks/${id}/delete`, { ...simple, method: "POST" })),
    "delete": await blocked(read(`/api/v1/checks/${id}`, { method: "DELETE" })),
    "beacon": navigator.sendBeacon(gateway + "/tasks", form) ? "blocked" : "refused",
    "api": await blocked(read("/api/v1/checks")),
    "api, without CORS": await blocked(read("/api/v1/checks", simple)),
    "page, without CORS": await blocked(read("/", simple)),
    "script": await loaded(make("script", { src: gateway + "/api/v1/checks" })),
    "picture": await loaded(make("img", { src: gateway + "/api/v1/checks" })),
    "style": await loaded(make("link", { rel: "stylesheet", href: gateway + "/api/v1/checks" })),
    "socket": await socket,
  };
}"""
SEND_FORM = """([action, enctype]) => {
  const form = Object.assign(document.createElement("form"), { method: "post", action, enctype });
  form.append(Object.assign(document.createElement("input"), { name: "address", value: "example.org" }));
  document.body.append(form);
  form.submit();
}"""
FRAME = """(src) => new Promise((resolve) => {
  const frame = Object.assign(document.createElement("iframe"), { src });
  frame.onload = () => { try { resolve(String(frame.contentDocument)); } catch { resolve("blocked"); } };
  document.body.append(frame);
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(browser: Browser) -> AsyncIterator[Fleet]:
    assert browser.is_connected()
    async with fleet() as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def check_id(stack: Fleet) -> str:
    """The one check that there is; its label is nobody's business."""
    body = {"url": "http://[::1]/", "label": SECRET}  # refused at once, so it does not change any more
    async with stack.api.post("/api/v1/checks", json=body, headers={"Prefer": "wait=20"}) as done:
        assert done.status == 200, await done.text()
        return str((await done.json())["id"])


@asynccontextmanager
async def other_site(browser: Browser, host: str) -> AsyncIterator[Page]:
    """A page of another site, just opened."""
    async with page_server({"*": answer(EVIL)}) as site:
        context = await browser.new_context(base_url=site.url("", host))
        try:
            context.set_default_timeout(WAIT_MS)
            page = await context.new_page()
            await page.goto("/")
            yield page
        finally:
            await context.close()


async def everything(stack: Fleet) -> Any:
    async with stack.api.get("/api/v1/checks") as found:
        return (await found.json())["items"]


def refused_posts(stack: Fleet) -> int:
    """How many POSTs the gateway has refused so far, by its log."""
    lines = (json.loads(line) for line in stack.gateways[0].log.splitlines() if line.startswith("{"))
    return sum(line.get("method") == "POST" and line.get("status") == 403 for line in lines)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "kittens.localhost", REBOUND])
async def test_its_scripts_change_nothing_and_read_nothing(
    browser: Browser, stack: Fleet, check_id: str, host: str
) -> None:
    before, refused = await everything(stack), refused_posts(stack)
    async with other_site(browser, host) as page:
        for gateway in (stack.gateways[0].url, f"http://localhost:{stack.gateways[0].port}"):
            learnt = await page.evaluate(ATTEMPTS, [gateway, check_id])
            assert set(learnt.values()) <= {"blocked", "opaque"}, learnt
            assert await page.evaluate(FRAME, f"{gateway}/") in {"blocked", "null"}
            for frame in page.frames:
                assert SECRET not in await frame.content()
    assert await everything(stack) == before
    assert refused_posts(stack) >= refused + 2 * 6  # it was the gateway that refused them, not the browser alone


async def test_its_forms_change_nothing(browser: Browser, stack: Fleet, check_id: str) -> None:
    before = await everything(stack)
    async with other_site(browser, "127.0.0.1") as page:
        for path in ("/", "/tasks", "/api/v1/checks", f"/checks/{check_id}/delete"):
            for enctype in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain"):
                target = stack.gateways[0].url + path
                await page.goto("/")
                async with page.expect_navigation() as sent:
                    await page.evaluate(SEND_FORM, [target, enctype])
                answered = await sent.value
                assert answered is not None
                assert (answered.url, answered.status) == (target, 403), enctype
    assert await everything(stack) == before


async def test_a_name_that_leads_here_shows_nothing(browser: Browser, stack: Fleet, check_id: str) -> None:
    """DNS rebinding: to the browser, the gateway is the other site itself."""
    before = await everything(stack)
    context = await browser.new_context(base_url=f"http://{REBOUND}:{stack.gateways[0].port}")
    try:
        context.set_default_timeout(WAIT_MS)
        page = await context.new_page()
        for path in ("/", f"/checks/{check_id}", "/api/v1/checks"):
            response = await page.goto(path)
            assert response is not None
            assert response.status in {403, 421}
            assert SECRET not in await response.text()
        learnt = await page.evaluate(ATTEMPTS, [f"http://{REBOUND}:{stack.gateways[0].port}", check_id])
    finally:
        await context.close()
    assert not any(SECRET in text for text in learnt.values())
    assert await everything(stack) == before

"""The page of the list: filters, what failed lately, what is done to several, and what is taken along."""

import csv
import html
import io
import json
import re
import time

import pytest

from tests.integration.gateway import rows
from tests.integration.gateway.stack import CHECKS, Stack

BROWSER = {"Accept": "text/html"}


async def _page(stack: Stack, **query: str) -> str:
    async with stack.http.get("/", params=query, headers=BROWSER) as answer:
        assert answer.status == 200
        return await answer.text()


async def _select(stack: Stack, what: str, *ids: str, **back: str) -> str:
    """Where that leads to."""
    fields = [*(("id", id_) for id_ in ids), *back.items()]
    async with stack.http.post(f"/checks/selected/{what}", data=fields, allow_redirects=False) as answer:
        assert answer.status == 303
        return answer.headers["Location"]


async def _states(stack: Stack) -> dict[str, str]:
    return {check["id"]: check["status"] for check in (await stack.get(CHECKS))["items"]}


async def test_several_checks_are_cancelled_retried_and_deleted_at_once(stack: Stack) -> None:
    ids = [(await stack.post(url=f"example.org/{n}"))["id"] for n in range(3)]
    assert await _select(stack, "cancel", *ids[:2], host="example.org") == "/?host=example.org&did=cancel-2-0"
    assert await _states(stack) == {ids[0]: "cancelled", ids[1]: "cancelled", ids[2]: "queued"}
    assert await _select(stack, "retry", *ids) == "/?did=retry-2-1"
    assert set((await _states(stack)).values()) == {"queued"}
    assert await _select(stack, "delete", ids[0], ids[0], "no id") == "/?did=delete-1-0"
    assert (await _states(stack)).keys() == set(ids[1:])
    assert await _select(stack, "delete") == "/"
    said = html.unescape(await _page(stack, did="retry-2-1"))
    assert "2 checks begin anew" in said
    assert "1 other stays as it is" in said


async def test_only_what_a_list_offers_can_be_done_to_several(door: Stack) -> None:
    for path, status in (("/checks/selected/explode", 404), ("/checks/selected/retry", 403)):
        headers = {"Sec-Fetch-Site": "cross-site"} if status == 403 else {}
        async with door.http.post(path, data={"id": "x"}, headers=headers) as answer:
            assert answer.status == status
    async with door.http.post("/checks/selected/retry", json={}) as answer:
        assert answer.status == 415


async def test_what_failed_lately_stands_first_where_it_would_not_be_seen(door: Stack) -> None:
    now_ms = int(time.time() * 1000)
    old = await rows.add(
        door, url="http://old.example/", status="failed", error="dns_not_found", created_ms=now_ms - 2 * 86_400_000
    )
    bad = await rows.add(
        door, url="http://bad.example/", status="failed", error="http_error", created_ms=now_ms - 9_000
    )
    assert "Failed lately" not in await _page(door), "both stand in the list itself"
    for n in range(10):
        await rows.add(door, url=f"http://good.example/{n}", status="done", created_ms=now_ms - 5_000 + n)
    page = await _page(door)
    lately = page[page.index("Failed lately") : page.index('id="selected"')]
    assert bad in lately
    assert old not in lately
    for query in ({"status": "failed"}, {"error": "http_error"}, {"host": "good.example"}):
        assert "Failed lately" not in await _page(door, **query)


async def test_what_is_left_blank_in_the_filter_narrows_nothing_down(door: Stack) -> None:
    await rows.add(door, url="http://a.example/")
    other = await rows.add(door, url="http://b.example/")
    page = await _page(door, host=" b.example ", word="", label=" ")
    assert other in page
    assert "http://a.example/" not in page
    assert 'value="b.example"' in page
    assert "There are no such checks" in await _page(door, host="c.example")


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
async def test_all_checks_of_a_list_can_be_taken_along(door: Stack, format_: str) -> None:
    now_ms = int(time.time() * 1000)
    for n in range(450):  # more than are read at once
        status = "failed" if n % 3 else "done"
        await rows.add(
            door,
            url=f"http://a.example/{n}",
            status=status,
            error="http_error" if n % 3 else None,
            label="=1+1",
            created_ms=now_ms - 10_000 + n,
        )
    page = await _page(door, status="failed")
    (place,) = re.findall(rf'href="(/checks/export[^"]*format={format_})"', page)
    async with door.http.get(html.unescape(place)) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="checks.{format_}"'
        text = await answer.text()
    if format_ == "csv":
        found = list(csv.DictReader(io.StringIO(text)))
        assert {row["label"] for row in found} == {"'=1+1"}, "no spreadsheet runs it"
        assert {row["error"] for row in found} == {"http_error"}
    else:
        found = [json.loads(line) for line in text.splitlines()]
        assert {row["label"] for row in found} == {"=1+1"}
    assert len(found) == len({row["id"] for row in found}) == 300
    assert [row["id"] for row in found] == sorted((row["id"] for row in found), reverse=True)


async def test_an_export_in_a_format_that_there_is_not_is_refused(door: Stack) -> None:
    async with door.http.get("/checks/export", params={"format": "xls"}) as answer:
        assert answer.status == 422
    async with door.http.head("/checks/export") as answer:
        assert answer.status == 200

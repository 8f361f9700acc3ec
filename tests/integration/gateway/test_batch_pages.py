"""The web pages of batches, as a browser without scripts sees them."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import aiohttp
import asyncpg
import pytest

from shared import ids
from tests.integration.gateway.stack import CHECKS, Stack
from tests.integration.servers import eventually

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
BATCHES = "/api/v1/batches"
EVIL = "<script>alert('x')</script>"
QUESTION = uuid5(NAMESPACE_URL, "python")
STATES = {"queued": "queued", "running": "running", "done": "done", "failed": "failed", "cancelled": "cancelled"}
COUNTERS = STATES | {"duplicate": "duplicates", "invalid": "invalid"}

_BATCH = """
WITH asked AS (
    INSERT INTO questions (id, same, words, scope, whole_word, case_sensitive)
    VALUES ($2, $2, '{python}', 'text', true, false) ON CONFLICT DO NOTHING)
INSERT INTO batches (id, question, status, label, reason, total, filed, queued, running, done, failed, cancelled,
                     duplicates, invalid, running_since, recent, recent_at, finished_at, trace)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12, $13, clock_timestamp() - interval '10 min', 60,
        clock_timestamp(), CASE WHEN $3 IN ('finished', 'cancelled') THEN clock_timestamp() END, '')
"""
_LINE = """
WITH line AS (
    INSERT INTO lines (batch_id, seq, file, line, text, url, host, fate, reason, first)
    VALUES ($1, $2::integer, $3, $2 + 1, $4::text, $4, 'example.org',
            CASE WHEN $5::text IN ('duplicate', 'invalid') THEN $5 END, $6,
            CASE WHEN $5 = 'duplicate' THEN 1 END)),
added AS (
    INSERT INTO checks (id, url, host, question, bulk, trace, status, started_at, finished_at)
    SELECT check_of($1, $2), $4, 'example.org', $7, true, '', $5, ended.at, ended.at
    FROM (SELECT CASE WHEN $5 IN ('done', 'failed', 'cancelled') THEN clock_timestamp() END AS at) ended
    WHERE $5 NOT IN ('duplicate', 'invalid')),
queued AS (
    INSERT INTO queue (check_id, attempt, host, bulk, due_at)
    SELECT check_of($1, $2), 1, 'example.org', true, clock_timestamp() WHERE $5 = 'queued'),
leased AS (
    INSERT INTO leases (check_id, attempt, host, bulk, claimed_at, not_before, not_after)
    SELECT check_of($1, $2), 1, 'example.org', true, clock_timestamp(), clock_timestamp(),
           clock_timestamp() + interval '1 h'
    WHERE $5 = 'running'),
given_up AS (INSERT INTO cancelled SELECT check_of($1, $2) WHERE $5 = 'cancelled')
INSERT INTO results (check_id, attempt, fetcher, error_code, counts, total, redirects, timings_ms)
SELECT check_of($1, $2), 1, 'f', CASE WHEN $5 = 'failed' THEN 'dns_not_found' END,
       CASE WHEN $5 = 'done' THEN '{"python": 3}'::jsonb END, CASE WHEN $5 = 'done' THEN 3 END, '[]', '{}'
WHERE $5 IN ('done', 'failed')
"""


@dataclass(frozen=True)
class Line:
    """A line of a batch, as the recorder would have left it."""

    text: str
    state: str = "done"
    reason: str | None = None
    file: str | None = None


async def batch(
    stack: Stack,
    lines: Sequence[Line] = (),
    *,
    status: str = "finished",
    label: str | None = "mine",
    reason: str | None = None,
    words: dict[str, int] | None = None,
) -> str:
    """Writes a batch into the database, and returns its id."""
    id_ = ids.batch_id(ids.new_id())
    counts = [sum(line.state == state for line in lines) for state in COUNTERS]
    failed = sum(line.state == "failed" for line in lines)
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(_BATCH, id_, QUESTION, status, label, reason, len(lines), *counts)
        rows = [
            (id_, seq, each.file, each.text, each.state, each.reason, QUESTION) for seq, each in enumerate(lines, 1)
        ]
        await connection.executemany(_LINE, rows)
        if failed:
            await connection.execute("INSERT INTO batch_errors VALUES ($1, 'dns_not_found', $2)", id_, failed)
        totals = [(id_, word, total) for word, total in (words or {}).items()]
        await connection.executemany("INSERT INTO batch_words VALUES ($1, $2, $3)", totals)
    finally:
        await connection.close()
    return str(id_)


async def _page(stack: Stack, path: str, *, status: int = 200) -> str:
    async with stack.http.get(path, headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")
        return await answer.text()


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def _cells(page: str) -> list[str]:
    return [_text(row) for row in re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)]


def _form(file: tuple[str, bytes] | None = None, **fields: str) -> aiohttp.FormData:
    """What a browser sends: an empty file without a name where none was chosen."""
    form = aiohttp.FormData(default_to_multipart=True)
    name, content = file or ("", b"")
    form.add_field("file", content, filename=name, content_type="application/octet-stream")
    for field, value in fields.items():
        form.add_field(field, value)
    return form


async def _upload(stack: Stack, form: aiohttp.FormData) -> str:
    async with stack.http.post("/batches", data=form, headers=BROWSER, allow_redirects=False) as answer:
        assert answer.status == 303, _text(await answer.text())
        place = answer.headers["Location"]
    found = re.fullmatch(r"/batches/([0-9a-f-]{36})", place)
    assert found
    return found[1]


async def _press(stack: Stack, batch_id: str, what: str) -> str:
    """Presses a button on the page of a batch; returns where that leads."""
    page = await _page(stack, f"/batches/{batch_id}")
    assert f'formaction="/batches/{batch_id}/{what}"' in page
    return await _post(stack, f"/batches/{batch_id}/{what}")


async def _post(stack: Stack, path: str, **fields: str) -> str:
    async with stack.http.post(path, data=fields or None, headers=BROWSER, allow_redirects=False) as answer:
        assert answer.status == 303, _text(await answer.text())
        return answer.headers["Location"]


async def test_a_file_becomes_a_batch(stack: Stack) -> None:
    content = b"url;words\r\nexample.org/1;snake\r\nexample.org/2;\r\nexample.org/1;snake\r\nftp://no/\r\n"
    form = _form(("pages.CSV", content), words="python\r\nopen source", scope="source", label=EVIL)
    batch_id = await _upload(stack, form)
    shown = await stack.get(f"{BATCHES}/{batch_id}")
    assert (shown["total"], shown["duplicates"], shown["invalid"], shown["label"]) == (4, 1, 1, EVIL)
    page = await _page(stack, f"/batches/{batch_id}")
    assert EVIL not in page
    assert EVIL in _text(page)
    assert [cell.split()[0] for cell in _cells(page)] == ["2", "3", "4", "5"]
    listed = await _page(stack, "/batches")
    assert EVIL not in listed
    assert f'href="/batches/{batch_id}"' in listed
    assert "4 lines" in _text(listed)


async def test_addresses_that_are_pasted_stand_in_for_a_file(stack: Stack) -> None:
    pasted = "example.org/1\r\n\r\nexample.org/2\r\n"
    batch_id = await _upload(stack, _form(addresses=pasted, words="", label=" ", scope="text", whole_word="true"))
    lines = (await stack.get(f"{BATCHES}/{batch_id}/lines"))["items"]
    assert [(line["line"], line["text"]) for line in lines] == [(1, "example.org/1"), (3, "example.org/2")]
    assert (await stack.get(f"{BATCHES}/{batch_id}"))["label"] is None
    assert "Upload of " in _text(await _page(stack, "/batches"))


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        (_form(addresses="  \r\n", label="kept"), 422, "The upload has no lines"),
        (_form(("notes.docx", b"x"), addresses=EVIL, label="kept"), 422, ".csv, .txt, .ndjson or .zip"),
        (_form(("pages.zip", b"no zip"), label="kept"), 422, "The file can't be read"),
        (_form(addresses="example.org", words="a;\0", label="kept"), 422, "Word 2: Contains the character U+0000."),
        (_form(addresses="example.org", scope="nowhere", label="kept"), 422, "Must be one of text, source."),
    ],
    ids=["nothing", "kind", "zip", "words", "scope"],
)
async def test_what_is_wrong_with_an_upload_stands_beside_the_form_which_is_kept(
    door: Stack, form: aiohttp.FormData, status: int, said: str
) -> None:
    async with door.http.post("/batches", data=form, headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")
        page = await answer.text()
    assert said in _text(page)
    assert "A file has to be chosen again" in _text(page)
    assert 'value="kept"' in page
    assert EVIL not in page
    assert (await door.get(BATCHES))["items"] == []


async def test_a_form_that_is_none(door: Stack) -> None:
    async with door.http.post("/batches", data={"addresses": "example.org"}, headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (415, "text/html")


async def test_a_batch_with_all_that_is_known_of_it(door: Stack) -> None:
    lines = [
        *(Line(f"example.org/{state}", state) for state in STATES),
        Line("example.org/queued", "duplicate"),
        Line(EVIL, "invalid", reason=f"It is {EVIL}.", file=f"{EVIL}.csv"),
    ]
    batch_id = await batch(door, lines, status="running", label=EVIL, words={EVIL: 12_345, "python": 3})
    place = f"/batches/{batch_id}"
    page = await _page(door, place)
    text = _text(page)
    assert EVIL not in page
    assert "data-events" in page
    assert '<meta http-equiv="refresh"' in page
    assert re.search(r"71\.4 % 5 of 7 lines in a final state, [0-9.]+ a second, about \d+ seconds? left", text)
    assert 'role="progressbar"' in page
    assert 'aria-valuenow="71.4"' in page
    for state, counter in COUNTERS.items():
        assert f'href="{place}?state={state}"' in page
        assert f"{counter} 1" in text
    assert f"{EVIL} 12,345 python 3" in text
    assert 'href="/docs/problems/dns_not_found"' in page
    assert f'href="/?batch_id={batch_id}&amp;status=failed&amp;error=dns_not_found"' in page
    for format_ in ("csv", "ndjson"):
        assert f'href="{BATCHES}/{batch_id}/export?format={format_}" download' in page
    first, *_, same, bad = _cells(page)
    assert first == "2 example.org/queued queued"
    assert same.startswith("7 example.org/queued Asks for the same as line 2")
    assert bad == f"8 {EVIL}.csv {EVIL} It is {EVIL}. invalid"
    links = re.findall(r'<a class="url" href="/checks/([^"]+)">', page)
    own = [str(ids.check_of(UUID(batch_id), seq)) for seq in range(1, 6)]
    assert links == [*own, own[0]]


async def test_lines_are_shown_by_state_and_page_by_page(door: Stack) -> None:
    lines = [Line(f"example.org/{n}", "failed" if n % 2 else "done") for n in range(105)]
    batch_id = await batch(door, lines)
    page = await _page(door, f"/batches/{batch_id}?state=failed&utm_source=mail")
    assert "data-events" not in page
    seen = _cells(page)
    assert len(seen) == 50
    assert all("There is no host of this name." in cell for cell in seen)
    (further,) = re.findall(r'rel="next" href="([^"]+)"', page)
    assert "utm_source" not in further
    rest = await _page(door, html.unescape(further))
    assert len(_cells(rest)) == 2
    assert "First lines" in _text(rest)
    assert 'rel="next"' not in rest
    empty = await _page(door, f"/batches/{batch_id}?state=invalid")
    assert "There are no such lines." in _text(empty)
    await _page(door, f"/batches/{batch_id}?state=finished", status=422)
    await _page(door, f"/batches/{batch_id}?cursor=nothing", status=422)


async def test_an_upload_under_way_and_one_that_broke_off(door: Stack) -> None:
    under_way = await batch(door, status="receiving", label=None)
    await door.execute("INSERT INTO chunks VALUES ($1, 0, 1234, 4, clock_timestamp())", UUID(under_way))
    page = await _page(door, f"/batches/{under_way}")
    assert "1,234 lines so far" in _text(page)
    assert "data-events" in page
    assert "export?" not in page
    broken = await batch(door, status="cancelled", reason=f"The upload broke off: {EVIL}.")
    assert "Upload it again" in _text(await _page(door, f"/batches/{broken}"))
    for path in (f"/batches/{broken}", "/batches"):
        page = await _page(door, path)
        assert EVIL not in page
        assert f"The upload broke off: {EVIL}." in _text(page)
    assert "1,234 lines so far" in _text(page)


async def test_buttons_are_those_that_make_sense(door: Stack) -> None:
    some = [Line("example.org/1", "done"), Line("example.org/2", "failed"), Line("example.org/3", "queued")]
    expected = {
        "receiving": {"cancel", "delete"},
        "running": {"pause", "cancel", "retry", "delete"},
        "paused": {"resume", "cancel", "retry", "delete"},
        "finished": {"retry", "delete"},
        "cancelled": {"retry", "delete"},
    }
    for status, buttons in expected.items():
        place = f"/batches/{await batch(door, some, status=status)}"
        page = await _page(door, place)
        assert {each.rpartition("/")[2] for each in re.findall(r'formaction="([^"]+)"', page)} == buttons, status
    page = await _page(door, f"/batches/{await batch(door, some[:1])}")
    assert "/retry" not in page  # nothing has failed


async def test_buttons_change_the_batch(stack: Stack) -> None:
    batch_id = await _upload(stack, _form(addresses="example.org/1\nexample.org/2"))
    place = f"/batches/{batch_id}"

    async def status() -> Any:
        return (await stack.get(f"{BATCHES}/{batch_id}"))["status"]

    assert await _press(stack, batch_id, "pause") == place
    assert await status() == "paused"
    assert "Paused:" in _text(await _page(stack, place))
    assert await _press(stack, batch_id, "resume") == place
    assert await status() == "running"
    assert await _press(stack, batch_id, "cancel") == place
    assert await status() == "cancelled"
    assert await _post(stack, f"{place}/pause") == place  # too late: the page tells
    assert await _post(stack, f"{place}/retry") == place
    assert await _press(stack, batch_id, "delete") == "/batches"
    assert "There is nothing here" in _text(await _page(stack, place, status=404))
    for what in ("pause", "resume", "cancel", "retry", "delete"):
        async with stack.http.post(f"{place}/{what}", headers=BROWSER) as answer:
            assert (answer.status, answer.content_type) == (404, "text/html")


async def test_failed_lines_are_retried(stack: Stack) -> None:
    batch_id = await batch(stack, [Line("example.org/1", "failed"), Line("example.org/2")])
    assert await _press(stack, batch_id, "retry") == f"/batches/{batch_id}"

    async def begun() -> bool:
        return bool((await stack.get(f"{BATCHES}/{batch_id}"))["queued"] == 1)

    await eventually(begun, what="the failed line begins anew")


async def test_buttons_on_pages_of_other_sites_do_nothing(door: Stack) -> None:
    place = f"/batches/{await batch(door, [Line('example.org', 'queued')], status='running')}"
    paths = [
        "/batches",
        "/batches/preview",
        "/checks/retry",
        *(f"{place}/{what}" for what in ("pause", "cancel", "retry", "delete")),
    ]
    for path in paths:
        async with door.http.post(path, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 403


async def test_the_list_is_narrowed_down_and_paged_by_its_url(door: Stack) -> None:
    for number in range(51):
        await batch(door, status="paused", label=f"{EVIL} {number}" if number else EVIL)
    finished = await batch(door, [Line("example.org")], label=EVIL)
    page = await _page(door, "/batches?status=paused&utm_source=mail")
    assert EVIL not in page
    assert len(_cells(page)) == 50
    assert finished not in page
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    assert "utm_source" not in older
    rest = await _page(door, html.unescape(older))
    assert len(_cells(rest)) == 1
    assert '<form class="ask"' not in rest
    (newest,) = re.findall(r'<a href="([^"]+)">Newest</a>', rest)
    assert newest == "/batches?status=paused"
    async with door.http.get("/batches", params={"label": EVIL}, headers=BROWSER) as answer:
        labelled = await answer.text()
    assert len(_cells(labelled)) == 2
    assert f"Only batches with label {EVIL}" in _text(labelled)
    (both,) = [each for each in re.findall(r'<a href="([^"]+)"', labelled) if "status=finished" in each]
    assert len(_cells(await _page(door, html.unescape(both)))) == 1
    assert "There are no such batches" in _text(await _page(door, "/batches?status=running"))
    await _page(door, "/batches?status=done", status=422)


async def test_a_check_of_a_batch_leads_to_it(door: Stack) -> None:
    batch_id = await batch(door, [Line("http://example.org/", "done")])
    check_id = ids.check_of(UUID(batch_id), 1)
    for path in ("/", f"/checks/{check_id}"):
        page = await _page(door, path)
        assert f'href="/batches/{batch_id}"' in page
        assert "line 2" in _text(page)
    narrowed = await _page(door, f"/?batch_id={batch_id}")
    assert f'href="/batches/{batch_id}">{batch_id}' in narrowed
    assert len(_cells(narrowed)) == 1


async def test_all_of_a_list_of_failures_begin_anew(stack: Stack) -> None:
    batch_id = await batch(stack, [Line("example.org/1", "failed"), Line("example.org/2", "failed"), Line("x")])
    other = await batch(stack, [Line("example.org/3", "failed")])
    assert 'action="/checks/retry"' not in await _page(stack, f"/?batch_id={batch_id}")
    page = await _page(stack, f"/?batch_id={batch_id}&status=failed&utm_source=mail")
    form = page.partition('action="/checks/retry"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    assert fields == {"batch_id": batch_id, "status": "failed"}
    place = await _post(stack, "/checks/retry", **fields)
    assert place in {f"/?batch_id={batch_id}&status=failed&retried={told}" for told in ("2", "more")}
    shown = _text(await _page(stack, place))
    assert "2 checks begin anew." in shown or "They begin anew, by and by." in shown

    async def queued() -> list[str]:
        items = (await stack.get(CHECKS, params={"status": "queued"}))["items"]
        return [check["batch_id"] for check in items]

    async def begun() -> bool:
        return await queued() == [batch_id, batch_id]

    await eventually(begun, what="both begin anew")
    assert (await stack.get(f"{BATCHES}/{other}"))["failed"] == 1


async def test_what_failed_for_one_reason_begins_anew_from_the_page_of_the_batch(stack: Stack) -> None:
    batch_id = await batch(stack, [Line("example.org/1", "failed"), Line("example.org/2", "failed"), Line("x")])
    await stack.execute("INSERT INTO batch_errors VALUES ($1, 'timeout', 1)", UUID(batch_id))
    page = await _page(stack, f"/batches/{batch_id}")
    form = page.partition('action="/checks/retry"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    assert fields == {"batch_id": batch_id, "status": "failed", "from": "batch"}
    buttons = re.findall(r'<button [^>]*name="error" value="([^"]+)" aria-label="([^"]+)"', form)
    assert sorted(buttons) == [
        ("dns_not_found", "Retry 2 lines: dns_not_found"),
        ("timeout", "Retry 1 line: timeout"),
    ]
    place = await _post(stack, "/checks/retry", **fields, error="dns_not_found")
    assert place in {f"/batches/{batch_id}?retried={told}" for told in ("2", "more")}
    shown = await _page(stack, place)
    assert "2 checks begin anew." in _text(shown) or "They begin anew, by and by." in _text(shown)

    async def begun() -> bool:
        return bool((await stack.get(f"{BATCHES}/{batch_id}"))["queued"] == 2)

    await eventually(begun, what="both begin anew")
    assert "retried" not in re.findall(r'<a href="([^"]+)"', shown)


@pytest.mark.parametrize(
    ("more", "status"),
    [({"from": "//evil.example"}, 422), ({"from": "batch", "batch_id": "//evil.example"}, 422)],
    ids=["elsewhere", "no id"],
)
async def test_a_form_leads_nowhere_else(door: Stack, more: dict[str, str], status: int) -> None:
    fields = {"status": "failed"} | more
    async with door.http.post("/checks/retry", data=fields, headers=BROWSER, allow_redirects=False) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")


async def test_without_a_batch_the_form_leads_to_the_list(stack: Stack) -> None:
    assert (await _post(stack, "/checks/retry", **{"status": "failed", "from": "batch"})).startswith("/?status=failed&")


async def test_what_can_not_be_retried_at_once(door: Stack) -> None:
    for status in ("done", "queued", "nothing"):
        async with door.http.post("/checks/retry", data={"status": status}, headers=BROWSER) as answer:
            assert (answer.status, answer.content_type) == (422, "text/html")
    async with door.http.post("/checks/retry", json={"status": "failed"}, headers=BROWSER) as answer:
        assert answer.status == 415


async def test_pages_need_nothing_from_elsewhere_and_no_inline_code(door: Stack) -> None:
    batch_id = await batch(door, [Line("example.org", "failed")])
    for path in ("/batches", f"/batches/{batch_id}", "/?status=failed"):
        page = await _page(door, path)
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style", page)
        loaded = re.findall(r'(?:src|<link[^>]+href)="([^"]+)"', page)
        assert loaded
        assert all(one.startswith("/static/") for one in loaded)
        assert re.search(r'<a href="/batches"[^>]*>Batches</a>', page)

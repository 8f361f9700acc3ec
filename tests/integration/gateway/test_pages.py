"""The web pages, as a browser without scripts sees them."""

import asyncio
import html
import io
import re
from typing import Any

import pytest

from shared.messages import AttemptError, Counted, PageFacts, Snippet
from tests.integration.gateway.stack import CHECKS, Stack

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
EVIL = "<script>alert('x')</script>"


async def _page(stack: Stack, path: str, *, status: int = 200) -> str:
    async with stack.http.get(path, headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")
        return await answer.text()


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.mark.parametrize("path", ["/", "/tasks"])
async def test_a_form_with_an_address_alone_leads_back_to_the_list(stack: Stack, path: str) -> None:
    async with stack.http.post(path, data={"address": "Example.org"}, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == path
    (check,) = (await stack.get(CHECKS))["items"]
    assert (check["url"], check["words"], check["whole_word"]) == ("http://example.org/", ["python"], True)
    page = await _page(stack, path)
    assert f'<form class="ask" method="post" action="{path}"' in page
    assert f'href="/checks/{check["id"]}"' in page
    assert "http://example.org/" in _text(page)


async def test_all_that_the_form_can_say(stack: Stack) -> None:
    form = {
        "address": "example.org",
        "words": " one ; two words\r\n\r\nthree;",
        "scope": "source",
        "whole_word": "false",
        "case_sensitive": "true",
        "label": " mine ",
    }
    async with stack.http.post("/", data=form) as answer:
        assert answer.status == 200  # of the list, after the redirect
    (check,) = (await stack.get(CHECKS))["items"]
    assert check["words"] == ["one", "two words", "three"]
    asked = (check["scope"], check["whole_word"], check["case_sensitive"], check["label"])
    assert asked == ("source", False, True, "mine")


async def test_what_is_wrong_stands_beside_the_form_which_is_kept(stack: Stack) -> None:
    form = {"address": 'ftp://"><i>', "words": "fine;\0", "label": "kept", "scope": "source"}
    async with stack.http.post("/", data=form, headers=BROWSER) as answer:
        assert answer.status == 422
        page = await answer.text()
    assert 'value="ftp://&#34;&gt;&lt;i&gt;"' in page
    assert "only http: and https: can be fetched" in _text(page)
    assert "Word 2: Contains the character U+0000." in _text(page)
    assert 'value="kept"' in page
    assert re.search(r'value="source" checked', page)
    assert 'aria-describedby="address-wrong"' in page
    assert (await stack.get(CHECKS))["items"] == []


async def test_what_was_refused_leaves_the_form_as_it_was(door: Stack) -> None:
    form = {"address": "example.org", "label": "kept"}
    taking = asyncio.create_task(door.outcome_of_next_command("refused"))
    async with door.http.post("/", data=form, headers=BROWSER) as answer:
        assert answer.status == 422
        page = await answer.text()
    await taking
    assert "The request could not be stored." in _text(page)
    assert 'value="kept"' in page


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 422),
        (b"address=%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(500)), "application/x-www-form-urlencoded", 400),
        (b"address=example.org", "text/plain", 415),
        (b"address=" + b"x" * 2**20, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_a_form_that_is_none(stack: Stack, data: bytes, content_type: str, status: int) -> None:
    async with stack.http.post("/", data=io.BytesIO(data), headers=BROWSER | {"Content-Type": content_type}) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")


async def test_a_check_with_all_that_is_known_of_it(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="example.org", words=["python", EVIL], label=EVIL)
    waiting = await _page(stack, f"/checks/{check['id']}")
    assert '<meta http-equiv="refresh" content="2">' in waiting
    assert "data-events" in waiting
    snippet = Snippet(before=f"{EVIL} ", match="Python", after=" since")
    counted = Counted(counts={"python": 12_345, EVIL: 0}, total=12_345, rule_version=1, snippets={"python": (snippet,)})
    facts = PageFacts(
        http_status=200,
        final_url="https://example.org/",
        redirects=("https://example.org/",),
        title=EVIL,
        bytes=48_211,
        timings_ms={"dns": 3, "connect": 1200},
    )
    await stack.finished(check, counted=counted, facts=facts)
    page = await _page(stack, f"/checks/{check['id']}")
    assert "refresh" not in page
    assert "data-events" not in page
    assert EVIL not in page
    assert page.count(html.escape(EVIL).replace("&#x27;", "&#39;")) >= 3
    assert "<mark>Python</mark>" in page
    text = _text(page)
    for shown in ("12,345", "47.1 KiB", "connect 1.20 s", "https://example.org/", "text a reader sees", "Took 182 ms"):
        assert shown in text
    listed = await _page(stack, "/")
    assert EVIL not in listed
    assert "12,345" in _text(listed)


async def test_a_failed_check_shows_sentence_hint_and_no_zero(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="http://no-such-host.example/")
    await stack.finished(check, error=AttemptError(code="dns_not_found"), facts=PageFacts())
    page = await _page(stack, f"/checks/{check['id']}")
    text = _text(page)
    assert "There is no host of this name." in text
    assert "Look for a typing error in the host name." in text
    assert 'href="/docs/problems/dns_not_found"' in page
    assert "Count No count of" in text
    assert not re.search(r"\b0\b", text.split("Count")[1].split("Page")[0])


async def test_older_checks_are_a_link_away(stack: Stack) -> None:
    for number in range(51):
        await stack.post(url=f"example.org/{number}")
    first = await _page(stack, "/tasks")
    assert "example.org/50" in first
    assert "example.org/0<" not in first
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    assert older.startswith("/tasks?cursor=")
    second = await _page(stack, html.unescape(older))
    assert "example.org/0<" in second
    assert '<form class="ask"' not in second
    assert 'rel="next"' not in second
    await _page(stack, "/?cursor=nonsense", status=422)


async def test_the_buttons_of_a_check_work_without_a_script(stack: Stack) -> None:
    await stack.fetchers_are_there()
    check = await stack.post(url="http://no-such-host.example/")
    place = f"/checks/{check['id']}"

    async def press(what: str, page: str) -> str:
        assert f'formaction="{place}/{what}"' in page
        async with stack.http.post(f"{place}/{what}", headers=BROWSER, allow_redirects=False) as answer:
            assert answer.status == 303
            return str(answer.headers["Location"])

    waiting = await _page(stack, place)
    assert await press("cancel", waiting) == place
    cancelled = await _page(stack, place)
    assert 'class="status cancelled"' in cancelled
    assert f"{place}/cancel" not in cancelled
    assert await press("cancel", waiting) == place  # a page that is not up to date
    assert await press("retry", cancelled) == place
    await stack.finished(check, error=AttemptError(code="dns_not_found"), facts=PageFacts(), attempt=2, run=2)
    failed = await _page(stack, place)
    assert "Attempts" in _text(failed)
    assert re.search(r'<a class="code" href="/docs/problems/dns_not_found" title="[^"]+">', failed)
    assert await press("cancel", waiting) == place  # too late: the page tells
    assert await press("delete", failed) == "/"
    assert "There is nothing here" in _text(await _page(stack, place, status=404))
    for what in ("cancel", "retry", "delete"):
        async with stack.http.post(f"{place}/{what}", headers=BROWSER) as answer:
            assert (answer.status, answer.content_type) == (404, "text/html")


async def test_a_check_that_is_done_is_asked_for_again_as_a_new_one(stack: Stack) -> None:
    await stack.fetchers_are_there()
    asked = {
        "url": "http://example.org/?q=%C3%BC",
        "words": ["python", EVIL],
        "scope": "source",
        "whole_word": False,
        "case_sensitive": True,
        "label": "mine",
    }
    check = await stack.post(asked)
    place = f"/checks/{check['id']}"
    assert f"{place}/again" not in await _page(stack, place)
    counted = Counted(counts={"python": 1, EVIL: 0}, total=1, rule_version=1, snippets={})
    await stack.finished(check, counted=counted)
    page = await _page(stack, place)
    assert f'formaction="{place}/again"' in page
    assert f"{place}/retry" not in page
    async with stack.http.post(f"{place}/again", headers=BROWSER, allow_redirects=False) as answer:
        assert answer.status == 303
        again = answer.headers["Location"].removeprefix("/checks/")
    assert again != check["id"]
    fresh = await stack.get(f"{CHECKS}/{again}")
    assert {name: fresh[name] for name in asked} == asked
    assert fresh["status"] == "queued"
    assert (await stack.get(f"{CHECKS}/{check['id']}"))["status"] == "done"
    async with stack.http.post("/checks/01a1fef1-51c7-71fa-a09a-68f600000000/again", headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (404, "text/html")


async def test_buttons_on_pages_of_other_sites_do_nothing(stack: Stack) -> None:
    check = await stack.post(url="example.org")
    for what in ("cancel", "retry", "again", "delete"):
        async with stack.http.post(f"/checks/{check['id']}/{what}", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 403
    assert (await stack.get(f"{CHECKS}/{check['id']}"))["status"] == "queued"


async def test_a_filter_in_the_url_narrows_the_list_down_and_stays_there(stack: Stack) -> None:
    for number in range(52):
        await stack.post(url=f"example.org/{number}", label=EVIL)
    await stack.post(url="example.net")
    query = {"host": "*.org", "label": EVIL, "utm_source": "mail"}
    async with stack.http.get("/", params=query, headers=BROWSER) as answer:
        page = await answer.text()
    assert "example.org/51<" in page
    assert "example.net" not in page
    assert EVIL not in page
    assert "Only checks with host *.org" in _text(page)
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    rest = await _page(stack, html.unescape(older))
    assert "example.org/0<" in rest
    assert "utm_source" not in older
    (newest,) = re.findall(r'<a href="([^"]+)">Newest</a>', rest)
    assert "example.org/51<" in await _page(stack, html.unescape(newest))
    assert "There are no such checks" in _text(await _page(stack, "/?status=done"))
    await _page(stack, "/?status=finished", status=422)


@pytest.mark.parametrize("path", ["/nothing", "/checks/nothing", "/docs/problems/nothing", "/static/x/nothing.css"])
async def test_a_page_that_is_not_there_says_so_in_html(stack: Stack, path: str) -> None:
    assert "There is nothing here" in _text(await _page(stack, path, status=404))
    async with stack.http.get("/api/v1/nothing", headers=BROWSER) as answer:
        assert answer.content_type == "application/problem+json"


async def test_style_and_script_are_kept_by_browsers_until_they_change(stack: Stack) -> None:
    paths = re.findall(r'(?:href|src)="(/static/[^"]+)"', await _page(stack, "/"))
    assert {path.rpartition("/")[2] for path in paths} == {"icon.svg", "style.css", "live.js", "ask.js"}
    for path in paths:
        async with stack.http.get(path) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            tag = answer.headers["ETag"]
        async with stack.http.get(path, headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        old = path.replace(path.split("/")[2], "0" * 16)
        async with stack.http.get(old) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")


async def test_pages_need_nothing_from_elsewhere_and_no_inline_code(stack: Stack) -> None:
    check = await stack.post(url="example.org")
    for path in ("/", f"/checks/{check['id']}", "/docs/problems", "/docs/problems/internal"):
        page = await _page(stack, path)
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style", page)
        loaded: list[Any] = re.findall(r'(?:src|<link[^>]+href)="([^"]+)"', page)
        assert loaded
        assert all(one.startswith("/static/") for one in loaded)

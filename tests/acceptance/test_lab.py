"""The lab as a person meets it: `make lab`, its addresses put into the API, and the pages of the checks."""

import asyncio
import html
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from deploy.lab.doors import Doors
from deploy.lab.hazard import Hazard
from deploy.lab.hazards import HAZARDS
from shared.errors import ERRORS
from tests.acceptance.stack import ROOT, STOP_WITHIN_S, Stack, started
from tests.integration.servers import free_port

pytestmark = pytest.mark.timeout(180)

WITHIN_S = 60
SOME = (
    *("/status/404", "/status/503", "/wall/page", "/private/page", "/redirect/hops?10", "/redirect/hops?11"),
    *("/redirect/private", "/refresh/meta", "/head/reset", "/body/cut", "/bomb/br", "/type/pdf", "/charset/meta"),
    *("/head/huge", "http://nobody.invalid/"),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    hurried = {
        "WORDWATCH_FETCHERS": "1",
        "WORDWATCH_HOST_RATE_PER_S": "0",
        "WORDWATCH_HOST_CONCURRENCY": "8",
        "WORDWATCH_RETRY_BASE_S": "0.1",
    }
    home = tmp_path_factory.mktemp("lab")
    with started(Stack(home, hurried, target="lab", greeting="The lab is open")) as stack:
        yield stack


def doors_of(stack: Stack) -> Doors:
    return Doors.from_port(stack.config.lab_port)


async def check(http: aiohttp.ClientSession, hazard: Hazard, doors: Doors) -> tuple[dict[str, Any], str]:
    """Has a hazard checked; returns what the API says of the check in the end, and its page."""
    body = {"url": hazard.url(doors), "words": list(hazard.words)}
    async with http.post("/api/v1/checks", json=body, headers={"Prefer": f"wait={WITHIN_S}"}) as answer:
        assert answer.status == 200, await answer.text()
        found = await answer.json()
    async with http.get(f"/checks/{found['id']}") as answer:
        return found, await answer.text()


async def test_hazards_come_to_what_the_lab_says_and_the_pages_tell_why(stack: Stack) -> None:
    doors = doors_of(stack)
    hazards = [each for each in HAZARDS if each.at in SOME or each.door.is_tls]
    async with aiohttp.ClientSession(stack.url) as http:
        results = await asyncio.gather(*(check(http, each, doors) for each in hazards))
    for hazard, (found, page) in zip(hazards, results, strict=True):
        assert hazard.url(doors) in stack.output
        if isinstance(hazard.expects, str):
            assert found["error"]["code"] == hazard.expects, found
            assert found["attempts"] == (3 if hazard.again(trusted=True) == "yes" else 1), found
            assert_tells_why(page, found)
        else:
            assert found["counts"] == hazard.expects, found
        assert_tells_the_way(page, found)


def assert_tells_why(page: str, found: dict[str, Any]) -> None:
    code, message, hint = (found["error"][name] for name in ("code", "message", "hint"))
    assert message.startswith(ERRORS[code].sentence)
    assert hint == ERRORS[code].hint_for(found["http_status"])
    assert f'href="/docs/problems/{code}"' in page
    assert message in html.unescape(page)
    assert hint in html.unescape(page)


def assert_tells_the_way(page: str, found: dict[str, Any]) -> None:
    """The address connected to, each redirect in order, and a bar of where the time went."""
    told = re.search(r"<dt>IP address</dt><dd>(.*?)</dd>", page, re.DOTALL)
    assert told is not None
    assert (found["address"] or "—") in told[1]
    chain = re.search(r'<ol class="redirects">(.*?)</ol>', page, re.DOTALL)
    links = re.findall(r'<li><a class="url" href="(.*?)"', chain[1]) if chain else []
    assert [html.unescape(link) for link in links] == found["redirects"]
    widths = [float(width) for width in re.findall(r'class="phase-\w+" x="[\d.]+" width="([\d.]+)"', page)]
    measured = sum(ms or 0 for ms in (found["timings_ms"] or {}).values())
    if measured:
        assert sum(widths) == pytest.approx(1000, abs=1)


async def test_the_whole_way_is_shown(stack: Stack) -> None:
    hazard = next(each for each in HAZARDS if each.at == "/redirect/hops?10")
    async with aiohttp.ClientSession(stack.url) as http:
        found, page = await check(http, hazard, doors_of(stack))
    assert len(found["redirects"]) == 10
    assert found["final_url"] == found["redirects"][-1]
    assert found["address"] == "127.0.0.1"
    assert page.count("/redirect/hops?") >= 10


async def test_beside_a_stack_that_may_not_reach_it_the_lab_says_how_to_start_one(stack: Stack) -> None:
    first = free_port()
    lab = await asyncio.create_subprocess_exec(
        *("make", "--no-print-directory", "lab"),
        cwd=ROOT,
        env={**stack.environ, "WORDWATCH_LAB_PORT": str(first)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert lab.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(WITHIN_S):
            while "make run WORDWATCH_ALLOW_TARGETS=" not in said:
                line = (await lab.stdout.readline()).decode()
                assert line, said
                said += line
        assert f"127.0.0.1:{first}," in line
        assert "is open" in said
        assert re.search(r"/ +expired yesterday +tls_failed +no", said)
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{first}/") as front:
            assert stack.url in await front.text()
    finally:
        lab.send_signal(signal.SIGTERM)
        await asyncio.wait_for(lab.wait(), STOP_WITHIN_S)

"""No way in, in a network where every address answers and the system's own resolver asks our name server."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.integration.fetching.closed_world import NAMES, SITE, Seen
from tests.integration.fetching.ways_in import ADDRESSES, FORBIDDEN, KERNEL_REFUSES, REACHED

LOOPS = ("asyncio", "uvloop")
ROADS = ("literal", "named", "redirected", "redirected to a name", "refreshed")
TIMEOUT_S = 90


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Seen]]:
    """What was seen in such a network, by event loop; both programs run at once."""
    running = {
        loop: subprocess.Popen(
            [sys.executable, "-m", "tests.integration.fetching.closed_world", loop, tmp_path_factory.mktemp(loop)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            text=True,
        )
        for loop in LOOPS
    }
    try:
        outputs = {loop: program.communicate(timeout=TIMEOUT_S) for loop, program in running.items()}
    finally:
        for program in running.values():
            program.kill()
            program.wait()
    reports = {}
    for loop, (output, complaints) in outputs.items():
        assert running[loop].returncode == 0, complaints
        found = json.loads(output)
        if "impossible" in found:
            pytest.skip(f"no network namespace of our own here: {found['impossible']}")
        reports[loop] = {what: Seen(**seen) for what, seen in found.items()}
    return reports


@pytest.fixture(params=LOOPS)
def report(request: pytest.FixtureRequest, reports: dict[str, dict[str, Seen]]) -> dict[str, Seen]:
    found: dict[str, Seen] = reports[request.param]
    return found


@pytest.mark.parametrize("road", ROADS)
def test_public_addresses_are_reached_and_no_other_sees_a_connection(report: dict[str, Seen], road: str) -> None:
    spelled = {address: str(ip_address(address)) for address in ADDRESSES}
    seen = report[road]
    assert seen.outcomes == {
        address: spelled[address] if outcome == REACHED else outcome for address, outcome in ADDRESSES.items()
    }
    assert set(seen.connected) == {spelled[address] for address, outcome in ADDRESSES.items() if outcome == REACHED}


def test_but_for_the_rule_they_would_have_been_reached(report: dict[str, Seen]) -> None:
    outcomes = report["without the rule"].outcomes
    closed = {address for address, outcome in ADDRESSES.items() if outcome == FORBIDDEN}
    assert set(outcomes) == closed
    assert {address for address, outcome in outcomes.items() if "failed" in outcome} == KERNEL_REFUSES


@pytest.mark.parametrize("name", NAMES)
def test_each_name(report: dict[str, Seen], name: str) -> None:
    outcome = report["names"].outcomes[name]
    assert outcome.startswith(NAMES[name].outcome)


def test_no_name_leads_inside(report: dict[str, Seen]) -> None:
    assert {address for address in report["names"].connected if ADDRESSES.get(address) != REACHED} <= {
        f"93.184.217.{number}" for number in range(100)
    }


def test_an_open_address_that_fails_says_more_than_closed_ones(report: dict[str, Seen]) -> None:
    outcomes = report["nobody listens"].outcomes
    assert len(outcomes) == 3
    assert {outcome.partition(" ")[0] for outcome in outcomes.values()} == {"connect_failed"}
    assert report["nobody listens"].connected == []


def test_a_name_that_changes_within_a_chain(report: dict[str, Seen]) -> None:
    assert report["another port"] == Seen({"": FORBIDDEN}, [SITE])


def test_a_name_that_changes_between_attempts(report: dict[str, Seen]) -> None:
    assert report["first attempt"] == Seen({"": SITE}, [SITE])
    assert report["second attempt"] == Seen({"": FORBIDDEN}, [])


def test_a_name_that_changes_while_its_first_answer_is_kept(report: dict[str, Seen]) -> None:
    assert report["the same port"] == Seen({"": SITE}, [SITE])

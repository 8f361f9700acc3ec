"""The table of the lab: whole, without doubles, and told to people as it is."""

import html
from pathlib import Path

import pytest

from deploy.lab import command, front
from deploy.lab.doors import Door, Doors
from deploy.lab.hazard import Hazard
from deploy.lab.hazards import GROUPS, HAZARDS
from deploy.lab.server import routes
from deploy.local import compose
from shared.errors import ERRORS
from shared.settings import MAX_PORT, load

DOORS = Doors.from_port(20_000)
NEVER_BY_A_SERVER = {"dns_failed", "poison", "internal", "lost"}


def test_every_code_that_a_server_can_bring_about_is_there() -> None:
    codes = {each.expects for each in HAZARDS if isinstance(each.expects, str)}
    assert codes == set(ERRORS) - NEVER_BY_A_SERVER
    page = (Path(__file__).parents[3] / "docs" / "lab.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in page for code in NEVER_BY_A_SERVER)


def test_each_hazard_has_an_address_of_its_own() -> None:
    assert len({each.url(DOORS) for each in HAZARDS}) == len(HAZARDS) > 50


def test_no_route_hides_another() -> None:
    table = routes(b"the front page")
    for each in HAZARDS:
        if each.route is not None:
            assert table[each.door, each.at.partition("?")[0]] is each.route, each.at
    assert str(table[Door.WEB, "/"]).endswith("the front page'")


@pytest.mark.parametrize(
    ("hazard", "trusted", "outcome", "again"),
    [
        (Hazard("/a", "", "http_error", status=404), True, "http_error 404", "no"),
        (Hazard("/a", "", "http_error", status=503), True, "http_error 503", "yes"),
        (Hazard("/a", "", "too_complex"), True, "too_complex", "once"),
        (Hazard("/a", "", {"one": 1, "two": 0}), True, "one: 1, two: 0", ""),
        (Hazard("/a", "", {"one": 1}, untrusted="tls_failed"), True, "one: 1", ""),
        (Hazard("/a", "", {"one": 1}, untrusted="tls_failed"), False, "tls_failed", "no"),
    ],
)
def test_what_to_expect_in_words(hazard: Hazard, trusted: bool, outcome: str, again: str) -> None:
    assert (hazard.outcome(trusted=trusted), hazard.again(trusted=trusted)) == (outcome, again)


@pytest.mark.parametrize("columns", [80, 1_000])
@pytest.mark.parametrize("trusted", [True, False])
def test_people_are_told_of_every_hazard(trusted: bool, columns: int) -> None:
    shown = front.text(DOORS, trusted=trusted, columns=columns).splitlines()
    lines = [line.strip().split("  ")[0] for line in shown]
    addresses = [each.url(DOORS) for each in HAZARDS]
    assert [line for line in lines if line in addresses] == addresses
    assert {group.title for group in GROUPS} <= set(lines)
    page = front.page(DOORS, trusted=trusted, gateway="http://127.0.0.1:8080").decode()
    assert all(f"<td><code>{html.escape(each.url(DOORS))}</code>" in page for each in HAZARDS)


def test_only_https_changes_where_the_authority_is_not_trusted() -> None:
    changed = [each for each in HAZARDS if each.outcome(trusted=True) != each.outcome(trusted=False)]
    assert {each.door for each in changed} == {Door.TLS, Door.EXPIRED, Door.OTHER_NAME}


def test_the_ports_follow_each_other() -> None:
    settings = load({})
    ports = sorted(Doors.from_port(settings.lab_port).ports.values())
    assert ports == list(range(settings.lab_port, settings.lab_port + len(Door)))
    taken = {port.number for port in compose.ports(load({"WORDWATCH_FETCHERS": str(compose.MAX_FETCHERS)}))}
    assert not taken & set(ports)
    with pytest.raises(ValueError, match="ports"):
        Doors.from_port(MAX_PORT - 5)


def test_a_person_is_told_what_a_running_stack_does_not_allow() -> None:
    first, *others = DOORS.targets
    assert command.missing(DOORS, []) == list(DOORS.targets)
    assert command.missing(DOORS, [first, "10.0.0.0/8"]) == others
    assert command.missing(DOORS, ["127.0.0.0/8"]) == []

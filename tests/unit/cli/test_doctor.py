from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.cli import doctor
from services.cli.render_state import Finding
from shared import settings
from shared.version import VERSION
from tests.unit.cli import documents

NOW = datetime(2026, 11, 21, 16, 29, 50, 900_000, tzinfo=UTC)


def clock(seconds: float) -> Finding:
    theirs = (NOW + timedelta(seconds=seconds)).replace(microsecond=0)
    return doctor.of_clock(format_datetime(theirs, usegmt=True), NOW, NOW + timedelta(seconds=0.1))


@pytest.mark.parametrize("seconds", [0, 1, -1, 4.9, -5])
def test_clocks_that_agree_are_well(seconds: float) -> None:
    assert clock(seconds).state == "well"


@pytest.mark.parametrize(("seconds", "told"), [(60, "ahead of"), (-60, "behind")])
def test_a_clock_that_is_off_is_wrong(seconds: float, told: str) -> None:
    found = clock(seconds)
    assert found.state == "wrong"
    assert told in found.said
    assert found.advice


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_server_may_not_tell_the_time(date: str | None) -> None:
    assert doctor.of_clock(date, NOW, NOW).state == "unknown"


def test_versions_have_to_be_the_same() -> None:
    assert doctor.of_version({"version": VERSION, "api": "v1", "rule_version": 1}).state == "well"
    assert doctor.of_version({"version": "9.9.9", "api": "v1", "rule_version": 1}).state == "wrong"
    assert "v2" in doctor.of_version({"version": VERSION, "api": "v2", "rule_version": 1}).said


def test_work_needs_queues_and_fetchers() -> None:
    assert doctor.is_well(doctor.of_work(documents.stats()))
    unreached = {"topics": {}, "unreached": ["127.0.0.1:4150"]}
    for different, what in (
        ({"queues": None}, "queues"),
        ({"queues": unreached}, "queues"),
        ({"fetchers": []}, "fetchers"),
    ):
        wrong = [each for each in doctor.of_work(documents.stats(**different)) if each.state == "wrong"]
        assert [each.what for each in wrong] == [what]
        assert all(each.advice for each in wrong)


def test_ports_are_those_of_the_local_stack() -> None:
    config = settings.load({"WORDWATCH_PORT_OFFSET": "300"})
    assert {probe.port for probe in doctor.probes(config)} == {4450, 4451, 4461, 4471, 54629}
    elsewhere = settings.load({"WORDWATCH_NSQD": "h:1", "WORDWATCH_DATABASE_URL": "postgres://h/db"})
    assert doctor.probes(elsewhere) == []


def test_closed_ports_are_wrong_where_a_local_stack_is_meant() -> None:
    closed = [Finding("nsqd", "wrong", "nothing"), Finding("PostgreSQL", "wrong", "nothing")]
    viewer = Finding("nsqadmin", "well", "answers")
    assert not doctor.is_well(doctor.of_ports(closed, gateway_answers=False))
    # In containers the gateway has its own, and nsqadmin alone is published.
    assert doctor.is_well(doctor.of_ports([*closed, viewer], gateway_answers=True))
    open_ = Finding("nsqd's HTTP", "well", "answers")
    assert not doctor.is_well(doctor.of_ports([*closed, open_], gateway_answers=True))

import json
from pathlib import Path

import pytest

from deploy.local import compose, postgres
from shared import topics
from shared.settings import SettingError, Settings, load

HOME = Path("/somewhere/a home")


def processes_of(settings: Settings) -> dict[str, dict[str, object]]:
    found = compose.project(settings, HOME)["processes"]
    assert isinstance(found, dict)
    return found


def test_everything_is_started_by_default() -> None:
    awake = {name for name, process in processes_of(load({})).items() if not process.get("disabled")}

    assert awake == {
        *("nsqlookupd", "nsqd", "nsqadmin", "postgres", "migrate", "sample-site"),
        *("gateway", "recorder", "scheduler", "fetcher-0", "fetcher-1"),
    }


@pytest.mark.parametrize("name", ["WORDWATCH_NSQLOOKUPD", "WORDWATCH_NSQD"])
def test_no_nsq_is_started_where_one_runs(name: str) -> None:
    settings = load({name: "10.0.0.1:4161"})

    assert not {"nsqlookupd", "nsqd", "nsqadmin"} & set(processes_of(settings))
    assert compose.environment(settings, {name: "10.0.0.1:4161"}, HOME)[name] == "10.0.0.1:4161"
    assert not any("NSQ" in port.setting or "LOOKUPD" in port.setting for port in compose.ports(settings))


def test_no_postgres_is_started_where_one_runs(tmp_path: Path) -> None:
    url = "postgresql://someone@elsewhere/db"
    settings = load({"WORDWATCH_DATABASE_URL": url})

    assert "postgres" not in processes_of(settings)
    assert compose.environment(settings, {"WORDWATCH_DATABASE_URL": url}, tmp_path)["WORDWATCH_DATABASE_URL"] == url
    assert not any(port.setting == "WORDWATCH_PG_PORT" for port in compose.ports(settings))
    assert list(tmp_path.iterdir()) == []


def test_every_dependency_is_there() -> None:
    for environ in ({}, {"WORDWATCH_DATABASE_URL": "postgresql://x/y"}, {"WORDWATCH_NSQD": "10.0.0.1:4150"}):
        processes = processes_of(load(environ))
        for process in processes.values():
            needed = process.get("depends_on", {})
            assert isinstance(needed, dict)
            assert set(needed) <= set(processes)


def test_services_wait_for_the_migration() -> None:
    processes = processes_of(load({}))

    for name in ("gateway", "recorder", "scheduler", "fetcher-0"):
        needed = processes[name]["depends_on"]
        assert isinstance(needed, dict)
        assert needed["migrate"] == {"condition": "process_completed_successfully"}


def test_no_two_programs_share_a_port() -> None:
    numbers = [port.number for port in compose.ports(load({"WORDWATCH_FETCHERS": "32"}))]

    assert len(numbers) == len(set(numbers))


def test_the_ports_of_fetchers_stay_in_range() -> None:
    settings = load({"WORDWATCH_FETCHER_OPS_PORT": "65530", "WORDWATCH_FETCHERS": "32"})

    numbers = [port.number for port in compose.ports(settings)]

    assert max(numbers) <= 65535
    assert len(numbers) == len(set(numbers))


def test_each_probe_asks_the_port_that_its_service_is_given() -> None:
    for name, process in processes_of(load({"WORDWATCH_PORT_OFFSET": "17"})).items():
        if name in compose.SERVICES or name.startswith(compose.FETCHER):
            probe = process["readiness_probe"]
            assert isinstance(probe, dict)
            assert process["environment"] == [f"WORDWATCH_OPS_PORT={probe['http_get']['port']}"]


def test_too_many_fetchers_are_refused() -> None:
    with pytest.raises(SettingError, match="WORDWATCH_FETCHERS=33"):
        compose.project(load({"WORDWATCH_FETCHERS": "33"}), HOME)


def test_only_the_sample_site_is_added_to_what_may_be_fetched() -> None:
    environ = {"WORDWATCH_DATABASE_URL": "postgresql://x/y", "WORDWATCH_ALLOW_TARGETS": "10.0.0.0/8"}

    env = compose.environment(load(environ), environ, HOME)

    assert env["WORDWATCH_ALLOW_TARGETS"] == "10.0.0.0/8,127.0.0.1:8088"
    assert "WORDWATCH_TRUSTED_HOSTS" not in env


def test_a_users_own_settings_of_the_supervisor_and_of_python_do_not_get_in() -> None:
    environ = {"WORDWATCH_DATABASE_URL": "postgresql://x/y", "PC_NO_SERVER": "1", "PYTHONPATH": "/x", "LANG": "C.UTF-8"}

    env = compose.environment(load(environ), environ, HOME)

    assert not {"PC_NO_SERVER", "PYTHONPATH"} & set(env)
    assert env["LANG"] == "C.UTF-8"


def test_the_password_is_not_in_the_project(tmp_path: Path) -> None:
    secret = postgres.password(tmp_path)

    text = compose.as_text(compose.project(load({}), tmp_path))

    assert secret not in text
    assert secret in postgres.url(tmp_path, 54329)
    assert (tmp_path / "postgres" / "password").stat().st_mode & 0o077 == 0


def test_a_path_with_signs_that_the_supervisor_expands_survives() -> None:
    home = Path('/a "home"/with ${signs} and {{braces}}/ü')
    text = compose.as_text(compose.project(load({}), home))

    assert "$" not in text.replace("$$", "")
    read = json.loads(text.replace("$$", "$"))["processes"]["nsqd"]
    assert str(home) in read["entrypoint"]
    # These are rendered as templates: no path may be in them.
    assert "/" not in read["log_location"].removeprefix("logs/")
    assert "working_dir" not in read


def test_nsqd_takes_messages_as_large_as_the_table_of_topics_allows() -> None:
    command = str(processes_of(load({}))["nsqd"]["entrypoint"])
    assert f"--max-msg-size={topics.MAX_MESSAGE_BYTES}" in command
    assert f"--max-body-size={topics.MAX_BODY_BYTES}" in command

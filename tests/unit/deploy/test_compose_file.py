"""docker-compose.yml, held to its own rules and to what the rest of the project says. No engine is needed."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from deploy.local import compose
from services.fetcher.reading.limits import Limits
from shared import settings, topics
from shared.service import STOP_WITHIN_S

ROOT = Path(__file__).parents[3]
FILE, TWO_NSQDS = ROOT / "docker-compose.yml", ROOT / "docker-compose.two-nsqds.yml"
OURS = ("gateway", "recorder", "scheduler", "fetcher")
USE_THE_DATABASE = ("gateway", "recorder", "scheduler", "migrate")
THEIRS = ("nsqlookupd", "nsqd", "nsqadmin", "postgres")
PASSWORD = "WORDWATCH_POSTGRES_PASSWORD"
# Variables of the file itself, which no service reads.
OF_THE_FILE = {PASSWORD, "WORDWATCH_IMAGE"}
# Settings that have no place in a container: of `make run`, the tests and `wordwatch`, or with their counterpart in the
# file.
NOT_IN_CONTAINERS = {
    *("home", "tools", "browser", "server", "port_offset", "fetchers", "nsqd"),
    "msg_timeout_s",  # nsqd's flag has the default, and both must be the same
}


def read(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(FILE)["services"]
    return found


def flags(words: list[str]) -> dict[str, str]:
    """`--name=value` words as a mapping; `--data-path` and addresses are each place's own."""
    pairs = (word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
    return {name: value for name, value in pairs if not name.endswith(("-address", "data-path"))}


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def mib(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


def named_in(path: Path) -> set[str]:
    return set(re.findall(r"WORDWATCH_[A-Z_]+", path.read_text(encoding="utf-8")))


def test_everything_of_the_design_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {*OURS, "migrate", *THEIRS}
    assert {services[name]["image"] for name in (*OURS, "migrate")} == {"${WORDWATCH_IMAGE:-wordwatch}"}


@pytest.mark.parametrize("name", [*OURS, "migrate", *THEIRS])
def test_a_container_is_bounded_and_has_no_right_that_it_does_not_need(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    service = services[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True  # which passes signals on, and lets a crash be one
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    # A machine with one processor refuses to start a container that may have more.
    assert float(service["deploy"]["resources"]["limits"]["cpus"]) <= 1
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert seconds(service["stop_grace_period"]) >= 10
    if name == "migrate":
        assert service["restart"].startswith("on-failure")
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


def test_services_have_the_time_that_they_take_to_stop(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        assert seconds(services[name]["stop_grace_period"]) > STOP_WITHIN_S


def test_a_fetcher_has_room_for_the_children_that_read_pages(services: dict[str, dict[str, Any]]) -> None:
    children, itself_mib = 2, 900
    limit = mib(services["fetcher"]["deploy"]["resources"]["limits"]["memory"])
    assert limit >= itself_mib + children * Limits().memory_bytes / 2**20


def test_only_loopback_is_published_and_only_two_ports(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {
        "gateway": ["127.0.0.1:${WORDWATCH_PORT:-8080}:8080"],
        "nsqadmin": ["127.0.0.1:${WORDWATCH_NSQADMIN_PORT:-4171}:4171"],
    }


def test_networks_keep_apart_what_need_not_meet(services: dict[str, dict[str, Any]]) -> None:
    networks = read(FILE)["networks"]
    internal = {name for name, network in networks.items() if network.get("internal")}
    assert internal == {"queues", "database"}
    assert "database" not in services["fetcher"]["networks"]
    for name in ("postgres", "nsqd", "nsqlookupd", "recorder", "scheduler", "migrate"):
        assert set(services[name]["networks"]) <= internal
    assert {name for name in services if "web" in services[name]["networks"]} == {"fetcher"}


def test_no_password_is_in_the_files(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert value.startswith(f"${{{PASSWORD}:?"), (name, variable)
            assert not re.search(r"//[^/@]*:[^/@]*@", str(value)), (name, variable)
    assert not re.search(rf"^{PASSWORD}=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert "/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert ignored[0] == "*"
    assert not any(".env" in line for line in ignored)


def test_who_does_not_use_the_database_does_not_know_its_password(services: dict[str, dict[str, Any]]) -> None:
    knowing = {name for name, one in services.items() if any("PASSWORD" in key for key in one.get("environment", {}))}
    assert knowing == {*USE_THE_DATABASE, "postgres"}


def test_all_variables_are_settings() -> None:
    known = {settings.variable(field.name) for field in dataclasses.fields(settings.Settings)} | OF_THE_FILE
    for path in (FILE, TWO_NSQDS, ROOT / ".env.example", ROOT / "deploy" / "compose" / "verify.yml"):
        assert named_in(path) <= known, path.name


@pytest.mark.parametrize("name", OURS)
def test_all_settings_can_be_set(services: dict[str, dict[str, Any]], name: str) -> None:
    given = {variable for variable in services[name]["environment"] if variable.startswith(settings.PREFIX)}
    wanted = {
        settings.variable(field.name)
        for field in dataclasses.fields(settings.Settings)
        if not field.metadata["port"] and field.name not in {*NOT_IN_CONTAINERS, "listen", "auth", "database_url"}
    }
    if name in USE_THE_DATABASE:
        wanted.add("WORDWATCH_DATABASE_URL")
    if name == "gateway":
        wanted |= {"WORDWATCH_LISTEN", "WORDWATCH_AUTH"}
    assert given == wanted


@pytest.mark.parametrize("setting", ["port", "nsqadmin_port", "fetchers"])
def test_what_the_file_itself_takes_has_the_same_default(setting: str) -> None:
    defaults = re.findall(rf"\${{{settings.variable(setting)}:-([^}}]*)}}", FILE.read_text(encoding="utf-8"))
    assert defaults == [str(getattr(settings.load({}), setting))]


@pytest.mark.parametrize("name", [*OURS, "migrate"])
def test_what_is_set_is_taken(services: dict[str, dict[str, Any]], name: str) -> None:
    environ = {variable: value or "" for variable, value in services[name]["environment"].items()}
    config = settings.load(environ)
    assert config.nsqlookupd == ("nsqlookupd:4161",)
    assert config.msg_timeout_s == 10


def test_the_example_shows_the_defaults() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#(WORDWATCH_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    passed = {name for name, value in read(FILE)["x-settings"].items() if value is None}
    assert set(shown) == passed | {"WORDWATCH_PORT", "WORDWATCH_NSQADMIN_PORT", "WORDWATCH_FETCHERS"}
    assert settings.load(shown) == settings.load({})


def local_flags(name: str) -> dict[str, str]:
    command = compose.project(settings.load({}), Path("/home"))["processes"][name]["entrypoint"]
    return flags(command)


def test_nsqd_runs_as_it_does_locally(services: dict[str, dict[str, Any]]) -> None:
    found = flags(services["nsqd"]["entrypoint"])
    assert found == local_flags("nsqd")
    assert found["max-msg-size"] == str(topics.MAX_MESSAGE_BYTES)
    assert found["max-body-size"] == str(topics.MAX_BODY_BYTES)
    assert "--data-path=/data" in services["nsqd"]["entrypoint"]
    assert services["nsqd"]["volumes"] == ["nsqd:/data"]


@pytest.mark.parametrize("name", ["nsqlookupd", "nsqadmin"])
def test_the_other_nsq_programs_run_as_they_do_locally(services: dict[str, dict[str, Any]], name: str) -> None:
    assert flags(services[name]["command"]) == local_flags(name)


def broadcast(service: Mapping[str, Any]) -> list[str]:
    return [word.split("=", 1)[1] for word in service["command"] if word.startswith("--broadcast-address=")]


def test_each_nsqd_has_its_own_name_and_its_own_data(services: dict[str, dict[str, Any]]) -> None:
    second = read(TWO_NSQDS)["services"]
    assert second["nsqd-2"]["extends"] == {"file": FILE.name, "service": "nsqd"}
    for name, service in {**second, "nsqd": services["nsqd"], "nsqlookupd": services["nsqlookupd"]}.items():
        assert broadcast(service) == [name]
    assert second["nsqd-2"]["volumes"] == ["nsqd-2:/data"]
    assert set(read(FILE)["volumes"]) | set(read(TWO_NSQDS)["volumes"]) == {"postgres", "nsqd", "nsqd-2"}


def test_postgres_ends_in_order_and_is_healthy_only_when_it_is_made(services: dict[str, dict[str, Any]]) -> None:
    postgres = services["postgres"]
    assert postgres["stop_signal"] == "SIGINT"
    assert "127.0.0.1" in postgres["healthcheck"]["test"]
    assert int(postgres["image"].partition(":")[2]) >= 15

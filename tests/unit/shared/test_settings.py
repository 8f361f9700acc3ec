import pytest

from shared import settings
from shared.version import VERSION


def test_defaults_are_those_of_the_run_contract() -> None:
    config = settings.load({})
    assert (config.port, config.nsqd_tcp_port, config.nsqadmin_port, config.pg_port) == (8080, 4150, 4171, 54329)
    assert (config.host_concurrency, config.host_rate_per_s, config.fetchers) == (2, 4, 2)
    assert (config.fetch_timeout_s, config.lease_s, config.max_attempts, config.retry_base_s) == (30, 60, 3, 2)
    assert (config.max_body_bytes, config.max_in_flight) == (10 * 2**20, 64)
    assert config.allow_targets == ()


def test_the_offset_shifts_every_default_port_and_no_port_that_is_set() -> None:
    plain, shifted = settings.load({}), settings.load({"WORDWATCH_PORT_OFFSET": "1000", "WORDWATCH_PG_PORT": "5432"})
    assert shifted.port == plain.port + 1000
    assert shifted.sample_port == plain.sample_port + 1000
    assert shifted.fetcher_ops_port == plain.fetcher_ops_port + 1000
    assert shifted.pg_port == 5432


def test_a_large_offset_keeps_ports_in_range_and_apart() -> None:
    for offset in (11_206, 11_207, 20_000, 60_000):
        config = settings.load({"WORDWATCH_PORT_OFFSET": str(offset)})
        ports = [getattr(config, name) for name in config.__slots__ if name.endswith("_port") and name != "ops_port"]
        assert all(1024 <= port <= 65535 for port in (*ports, config.port))
        assert len({*ports, config.port}) == len(ports) + 1


def test_default_ports_are_all_different() -> None:
    config = settings.load({})
    ports = [getattr(config, name) for name in config.__slots__ if name.endswith("_port") and name != "ops_port"]
    assert len({*ports, config.port}) == len(ports) + 1


def test_lists_are_split_at_commas_and_an_empty_variable_is_unset() -> None:
    config = settings.load({"WORDWATCH_ALLOW_TARGETS": "10.1.0.0/16, 127.0.0.1:80,", "WORDWATCH_PORT": " "})
    assert config.allow_targets == ("10.1.0.0/16", "127.0.0.1:80")
    assert config.port == 8080


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORDWATCH_PORT", "http"),
        ("WORDWATCH_PORT", "70000"),
        ("WORDWATCH_FETCHERS", "0"),
        ("WORDWATCH_FETCHERS", "1.5"),
        ("WORDWATCH_HOST_RATE_PER_S", "-1"),
        ("WORDWATCH_HOST_RATE_PER_S", "nan"),
        ("WORDWATCH_LOG_FORMAT", "xml"),
        ("WORDWATCH_LEASE_S", "44"),
        ("WORDWATCH_AUTH", "token"),  # there are none yet
        ("WORDWATCH_AUTH", "none"),
        ("WORDWATCH_MAX_JSON_BYTES", "1"),
        ("WORDWATCH_MAX_CONNECTIONS", "0"),
        ("WORDWATCH_CONTACT", "nobody"),
        ("WORDWATCH_CONTACT", "https://"),
        ("WORDWATCH_CONTACT", "a@b\r\nCookie: c"),
        ("WORDWATCH_CONTACT", "a@b c"),
        ("WORDWATCH_CONTACT", "a@b)("),
        ("WORDWATCH_CONTACT", "https://exämple.org/"),
        ("WORDWATCH_CONTACT", "https://example.org/" + "a" * 200),
        ("WORDWATCH_USER_AGENT", "a\nb"),
        ("WORDWATCH_USER_AGENT", "a\x00b"),
        ("WORDWATCH_USER_AGENT", "wörter"),
        ("WORDWATCH_USER_AGENT", "a" * 501),
    ],
)
def test_a_value_that_can_not_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(settings.SettingError, match=name):
        settings.load({name: value})


@pytest.mark.parametrize(
    ("given", "agent"),
    [
        ({}, f"wordwatch/{VERSION} (word counter; no contact set)"),
        ({"WORDWATCH_CONTACT": "https://example.org/bot"}, f"wordwatch/{VERSION} (+https://example.org/bot)"),
        ({"WORDWATCH_CONTACT": "me@example.org"}, f"wordwatch/{VERSION} (+me@example.org)"),
        ({"WORDWATCH_CONTACT": "me@example.org", "WORDWATCH_USER_AGENT": "Mine/1.0 (x; y)"}, "Mine/1.0 (x; y)"),
    ],
)
def test_the_user_agent_names_this_program_and_who_can_be_reached(given: dict[str, str], agent: str) -> None:
    assert settings.load(given).agent == agent


def test_a_lease_must_hold_a_fetch_and_what_belongs_to_it() -> None:
    assert settings.load({"WORDWATCH_LEASE_S": "20", "WORDWATCH_FETCH_TIMEOUT_S": "5"}).lease_s == 20
    with pytest.raises(settings.SettingError, match="20 or more"):
        settings.load({"WORDWATCH_LEASE_S": "19", "WORDWATCH_FETCH_TIMEOUT_S": "5"})


def test_misspelt_variables_are_found() -> None:
    assert settings.unknown({"WORDWATCH_PROT": "1", "WORDWATCH_PORT": "1", "PATH": ""}) == ["WORDWATCH_PROT"]


def test_the_list_shows_no_password() -> None:
    text = settings.describe(settings.load({"WORDWATCH_DATABASE_URL": "postgres://me:secret@db/ww"}))
    assert "secret" not in text
    assert "postgres://me:…@db/ww" in text


@pytest.mark.parametrize("name", ["TRUSTED_HOSTS", "IGNORE_ROBOTS_HOSTS"])
@pytest.mark.parametrize("host", ["https://example.org/", "example org", "a@example.org", "example.org:http", "::1"])
def test_what_is_no_host_is_refused(name: str, host: str) -> None:
    with pytest.raises(settings.SettingError, match=f"WORDWATCH_{name}"):
        settings.load({f"WORDWATCH_{name}": host})


@pytest.mark.parametrize(
    "host", ["example.org", "EXAMPLE.org:8080", "127.0.0.1:80", "[::1]:8080", "[::1]", "bücher.example"]
)
def test_hosts_as_people_write_them(host: str) -> None:
    assert settings.load({"WORDWATCH_TRUSTED_HOSTS": host}).trusted_hosts == (host,)

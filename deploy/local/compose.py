"""What runs: the processes of a stack, as a project for the supervisor (process-compose).

The project holds no path outside the words of a command, and no secret: the supervisor expands `$…` and `{{…}}` in
other places, and secrets belong in the environment.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.local import postgres, records
from deploy.local.ports import Port
from shared.settings import FIRST_FREE_PORT, MAX_PORT, SettingError, Settings, variable

ROOT = Path(__file__).resolve().parents[2]
MAX_FETCHERS = 32
"""So many are declared, most of them asleep; scaling starts and stops them, which keeps names and ports fixed."""
SERVICES = ("gateway", "recorder", "scheduler")
FETCHER = "fetcher"
ADDRESS = "127.0.0.1"

_NEVER = (
    1_000_000  # the supervisor ends what fails so many probes in a row; a service that waits for another must not be
)
_SERVICE_STOP_S = 29  # services end within 28 s by themselves
_SERVER_STOP_S = 10
_SIGINT, _SIGTERM = 2, 15
# Variables that would reconfigure the supervisor or the Python of the services.
_DROPPED = ("COMPOSE_SHELL", "PROC_COMP_CONFIG", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")


def fetcher_name(number: int) -> str:
    """The name of the fetcher with this number, from 0."""
    return f"{FETCHER}-{number}"


def fetcher_ops_port(settings: Settings, number: int) -> int:
    """The ops port of the fetcher with this number; past the last port they go on as shifted ports do."""
    port = settings.fetcher_ops_port + number
    return port if port <= MAX_PORT else port - MAX_PORT - 1 + FIRST_FREE_PORT


def starts_nsq(settings: Settings) -> bool:
    """Whether the stack brings its own NSQ."""
    return not (settings.nsqlookupd or settings.nsqd)


def starts_postgres(settings: Settings) -> bool:
    """Whether the stack brings its own PostgreSQL."""
    return settings.database_url is None


def ports(settings: Settings) -> list[Port]:
    """The ports that a stack with these settings listens on when it starts."""
    names = {
        "port": "the gateway",
        "gateway_ops_port": "the gateway's ops port",
        "recorder_ops_port": "the recorder's ops port",
        "scheduler_ops_port": "the scheduler's ops port",
        "sample_port": "the sample site",
    }
    if starts_nsq(settings):
        names |= {
            "nsqd_tcp_port": "nsqd",
            "nsqd_http_port": "nsqd's HTTP API",
            "lookupd_tcp_port": "nsqlookupd",
            "lookupd_http_port": "nsqlookupd's HTTP API",
            "nsqadmin_port": "nsqadmin",
        }
    if starts_postgres(settings):
        names["pg_port"] = "PostgreSQL"
    listed = [Port(getattr(settings, name), variable(name), purpose) for name, purpose in names.items()]
    return listed + [
        Port(fetcher_ops_port(settings, number), variable("fetcher_ops_port"), f"{fetcher_name(number)}'s ops port")
        for number in range(settings.fetchers)
    ]


def environment(settings: Settings, environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment of all processes of a stack: `environ`, and where the servers are that the stack brings."""
    env = {name: value for name, value in environ.items() if name not in _DROPPED and not name.startswith("PC_")}
    env |= {
        records.MARK: str(home),
        variable("home"): str(home),
        variable("tools"): str(settings.tools_dir.absolute()),
        variable("allow_targets"): ",".join([*settings.allow_targets, f"{ADDRESS}:{settings.sample_port}"]),
        "PYTHONUNBUFFERED": "1",
    }
    if settings.log_format == "auto":
        env[variable("log_format")] = "console"  # the lines are read by a person, though no service sees a terminal
    if starts_nsq(settings):
        env[variable("nsqlookupd")] = f"{ADDRESS}:{settings.lookupd_http_port}"
    if starts_postgres(settings):
        env[variable("database_url")] = postgres.url(home, settings.pg_port)
        env["PG_ISREADY"] = str(postgres.find_binaries() / "pg_isready")
    return env


def project(settings: Settings, home: Path) -> dict[str, Any]:
    """The supervisor's project. It is run with WORDWATCH_HOME as the working folder.

    Raises:
        SettingError: more fetchers are wanted than can be.
    """
    if settings.fetchers > MAX_FETCHERS:
        raise SettingError(f"{variable('fetchers')}={settings.fetchers}: at most {MAX_FETCHERS} run on one machine")
    processes = {
        **(_nsq(settings, home) if starts_nsq(settings) else {}),
        **(_postgres(settings, home) if starts_postgres(settings) else {}),
        "migrate": _migrate(settings, home),
        "sample-site": _sample_site(settings, home),
        **_services(settings, home),
    }
    return {
        "version": "0.5",
        "is_strict": True,
        "ordered_shutdown": True,
        "shell": {"shell_command": "/bin/sh", "shell_argument": "-c"},  # the default would be bash
        "log_level": "warn",
        "processes": processes,
    }


def as_text(compose: Mapping[str, Any]) -> str:
    """The project as a file for the supervisor: JSON, which is YAML too, with `$` kept from being expanded."""
    return json.dumps(compose, ensure_ascii=False, indent=1).replace("$", "$$")


def _process(home: Path, name: str, command: list[str | Path], **more: Any) -> dict[str, Any]:
    launcher = [sys.executable, "-S", str(ROOT / "deploy" / "local" / "launch.py")]
    return {
        "entrypoint": [*launcher, str(home), name, str(ROOT), *map(str, command)],
        "log_location": f"logs/{name}.log",
        "log_configuration": {
            "rotation": {"max_size_mb": 10, "max_backups": 2},
            "fields_order": ["message"],
            "disable_json": True,
            "no_metadata": True,
            "no_color": True,
            "flush_each_line": True,
        },
        "availability": {"restart": "always", "backoff_seconds": 1},
        "shutdown": {"signal": _SIGTERM, "timeout_seconds": _SERVER_STOP_S, "parent_only": True},
        **more,
    }


def _http_probe(port: int, path: str) -> dict[str, Any]:
    return {
        "http_get": {"host": ADDRESS, "port": str(port), "path": path},
        "period_seconds": 1,
        "timeout_seconds": 3,
        "failure_threshold": _NEVER,
    }


def _nsq(settings: Settings, home: Path) -> dict[str, Any]:
    programs = settings.tools_dir.absolute() / "bin"
    lookupd_http = f"{ADDRESS}:{settings.lookupd_http_port}"
    lookupd_tcp = f"{ADDRESS}:{settings.lookupd_tcp_port}"
    lookupd: list[str | Path] = [
        programs / "nsqlookupd",
        f"--tcp-address={lookupd_tcp}",
        f"--http-address={lookupd_http}",
    ]
    nsqd: list[str | Path] = [
        programs / "nsqd",
        f"--data-path={home / 'nsqd'}",
        f"--tcp-address={ADDRESS}:{settings.nsqd_tcp_port}",
        f"--http-address={ADDRESS}:{settings.nsqd_http_port}",
        f"--lookupd-tcp-address={lookupd_tcp}",
        f"--broadcast-address={ADDRESS}",
        # All messages to disk, and synced often: what was finished before a kill must not come back (docs/decisions).
        "--mem-queue-size=0",
        "--sync-timeout=100ms",
        "--msg-timeout=10s",
        "--max-msg-timeout=15m",
        # As shared/topics.py has them (a test compares); this module must do without the packages that one imports.
        "--max-msg-size=4194304",
        "--max-body-size=8388608",
        "--log-level=warn",
    ]
    nsqadmin: list[str | Path] = [
        programs / "nsqadmin",
        f"--http-address={ADDRESS}:{settings.nsqadmin_port}",
        f"--lookupd-http-address={lookupd_http}",
        "--log-level=warn",
    ]
    return {
        "nsqlookupd": _process(
            home,
            "nsqlookupd",
            [*lookupd, f"--broadcast-address={ADDRESS}", "--log-level=warn"],
            readiness_probe=_http_probe(settings.lookupd_http_port, "/ping"),
        ),
        "nsqd": _process(
            home,
            "nsqd",
            nsqd,
            # One that starts first would not try again for 15 s, nsqd's fixed pause, and be unknown until then.
            depends_on={"nsqlookupd": {"condition": "process_healthy"}},
            readiness_probe=_http_probe(settings.nsqd_http_port, "/ping"),
        ),
        "nsqadmin": _process(
            home,
            "nsqadmin",
            nsqadmin,
            depends_on={"nsqlookupd": {"condition": "process_started"}},
            readiness_probe=_http_probe(settings.nsqadmin_port, "/ping"),
        ),
    }


def _postgres(settings: Settings, home: Path) -> dict[str, Any]:
    probe = {
        # The path comes from the environment: a path may hold what the supervisor would expand.
        "exec": {"command": f'"$PG_ISREADY" -q -h {ADDRESS} -p {settings.pg_port} -U {postgres.USER}'},
        "period_seconds": 1,
        "timeout_seconds": 3,
        "failure_threshold": _NEVER,
    }
    command: list[str | Path] = [sys.executable, "-m", "deploy.local.postgres", home, str(settings.pg_port)]
    shutdown = {"signal": _SIGINT, "timeout_seconds": _SERVER_STOP_S, "parent_only": True}
    return {"postgres": _process(home, "postgres", command, readiness_probe=probe, shutdown=shutdown)}


def _migrate(settings: Settings, home: Path) -> dict[str, Any]:
    return _process(
        home,
        "migrate",
        [sys.executable, "-m", "shared.db.migrate"],
        availability={"restart": "on_failure", "backoff_seconds": 1, "max_restarts": 3},
        depends_on={"postgres": {"condition": "process_healthy"}} if starts_postgres(settings) else {},
    )


def _sample_site(settings: Settings, home: Path) -> dict[str, Any]:
    command: list[str | Path] = [sys.executable, "-m", "deploy.sample_site", ADDRESS, str(settings.sample_port)]
    return _process(home, "sample-site", command, readiness_probe=_http_probe(settings.sample_port, "/"))


def _services(settings: Settings, home: Path) -> dict[str, Any]:
    needs = {"migrate": {"condition": "process_completed_successfully"}}
    if starts_postgres(settings):  # said here too, so that it is stopped after them: the migration has long ended then
        needs["postgres"] = {"condition": "process_healthy"}
    if starts_nsq(settings):
        needs |= {"nsqlookupd": {"condition": "process_healthy"}, "nsqd": {"condition": "process_healthy"}}

    def service(name: str, module: str, ops_port: int, **more: Any) -> dict[str, Any]:
        return _process(
            home,
            name,
            [sys.executable, "-m", f"services.{module}"],
            environment=[f"{variable('ops_port')}={ops_port}"],
            depends_on=needs,
            readiness_probe=_http_probe(ops_port, "/readyz"),
            shutdown={"signal": _SIGTERM, "timeout_seconds": _SERVICE_STOP_S, "parent_only": True},
            **more,
        )

    made = {name: service(name, name, getattr(settings, f"{name}_ops_port")) for name in SERVICES}
    for number in range(MAX_FETCHERS):
        name, port = fetcher_name(number), fetcher_ops_port(settings, number)
        made[name] = service(name, FETCHER, port, disabled=number >= settings.fetchers)
    return made

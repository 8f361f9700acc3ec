"""Every setting of wordwatch: its name, default, unit and meaning, in one place.

No other module reads the environment. `python -m shared.settings` prints the list.
"""

import dataclasses
import os
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shared.redaction import hide_password
from shared.version import VERSION

PREFIX = "WORDWATCH_"
FIRST_FREE_PORT, MAX_PORT = 1024, 65535
MAX_CONTACT_CHARS, MAX_AGENT_CHARS = 200, 500
_PRINTABLE = re.compile(r"[ -~]+")
# In the header it stands in a comment, where parentheses and backslashes mean something (RFC 9110 §5.6.5).
_HOST = re.compile(r"\*|(?:\[[0-9A-Fa-f:.]+\]|[^\s/@?#:\[\]]+)(?::\d{1,5})?")
_CONTACT = re.compile(r"https?://[^\s()\\]+|[^\s()\\@]+@[^\s()\\@]+")
LEASE_MARGIN_S = 15  # msg-timeout, plus what an attempt keeps back to publish its result


class SettingError(Exception):
    """A setting that can't be used; the text names it and says what would do."""


def _setting(default: Any, doc: str, *, least: float | None = None, port: bool = False) -> Any:
    return dataclasses.field(default=default, metadata={"doc": doc, "least": least, "port": port})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Field `lease_s` is the variable `WORDWATCH_LEASE_S`, and so on."""

    home: Path = _setting(Path(".wordwatch"), "Folder of all local state: database, queues, logs, programs")
    tools: Path | None = _setting(None, "Folder of built programs; unset: `tools` in WORDWATCH_HOME")
    browser: Path | None = _setting(None, "`make test`: the Chromium for the tests in a browser; unset: looked for")

    server: str | None = _setting(
        None, "`wordwatch`, the program: the URL of the gateway that it asks; see docs/cli.md"
    )

    port: int = _setting(8080, "The gateway's port", port=True)
    listen: str = _setting(
        "127.0.0.1",
        "Address (or name) on which the gateway listens; WORDWATCH_AUTH has to be set if it is no loopback one",
    )
    auth: Literal["off", "token"] | None = _setting(
        None, "Who may use the gateway where others can reach it; off: whoever can. Unset: loopback only"
    )
    public_hosts: tuple[str, ...] = _setting((), "Further Host names under which the gateway answers")
    max_json_bytes: int = _setting(2**20, "The largest JSON body or form, in bytes after decompression", least=1024)
    max_upload_bytes: int = _setting(
        256 * 2**20, "The largest upload of a batch, in bytes as it comes and after decompression", least=1024
    )
    max_connections: int = _setting(
        1000, "Connections of clients that the gateway has open at once; more make room or are turned away", least=1
    )
    ops_port: int = _setting(
        0, "Port of /healthz, /readyz and /metrics of this process; 0: a free one, logged at start", least=0
    )
    ops_listen: str = _setting("127.0.0.1", "Address on which the ops port listens")

    port_offset: int = _setting(
        0, "Added to the default of every port (what would pass 65535 goes on at 1024)", least=0
    )
    nsqd_tcp_port: int = _setting(4150, "Port of the local nsqd", port=True)
    nsqd_http_port: int = _setting(4151, "Port of the local nsqd's HTTP API", port=True)
    lookupd_tcp_port: int = _setting(4160, "Port of the local nsqlookupd", port=True)
    lookupd_http_port: int = _setting(4161, "Port of the local nsqlookupd's HTTP API", port=True)
    nsqadmin_port: int = _setting(4171, "Port of the local nsqadmin", port=True)
    pg_port: int = _setting(54329, "Port of the local PostgreSQL", port=True)
    sample_port: int = _setting(8088, "Port of the bundled sample site", port=True)
    lab_port: int = _setting(8140, "`make lab`: first of twelve ports of its misbehaving servers", port=True)
    gateway_ops_port: int = _setting(8081, "`make run`: the gateway's ops port", port=True)
    recorder_ops_port: int = _setting(8082, "`make run`: the recorder's ops port", port=True)
    scheduler_ops_port: int = _setting(8083, "`make run`: the scheduler's ops port", port=True)
    fetcher_ops_port: int = _setting(8100, "`make run`: the first fetcher's ops port", port=True)
    fetchers: int = _setting(2, "How many fetchers `make run` starts", least=1)

    database_url: str | None = _setting(None, "A PostgreSQL (15 or later) that already runs: postgres://…")
    nsqlookupd: tuple[str, ...] = _setting((), "nsqlookupds that already run: HTTP host:port, …")
    nsqd: tuple[str, ...] = _setting((), "nsqds that already run, without nsqlookupd: TCP host:port, …")

    allow_targets: tuple[str, ...] = _setting(
        (), "What fetches may reach besides public addresses: a CIDR or ADDRESS:PORT each"
    )
    trusted_hosts: tuple[str, ...] = _setting((), "Hosts (host or host:port) without limits")
    host_concurrency: int = _setting(2, "Fetches of one host at once", least=1)
    host_rate_per_s: float = _setting(4.0, "Attempts at one host started per second; 0: no limit", least=0)
    fetch_timeout_s: float = _setting(30.0, "One attempt, from name look-up to last byte", least=0.1)
    lease_s: float = _setting(60.0, f"How long an attempt owns its check; ≥ FETCH_TIMEOUT_S + {LEASE_MARGIN_S}")
    msg_timeout_s: float = _setting(10.0, "nsqd delivers a message anew when not touched for so long", least=1)
    max_attempts: int = _setting(3, "Attempts of a check in all", least=1)
    retry_base_s: float = _setting(2.0, "Pause before the second attempt; four times that for the third", least=0)
    max_body_bytes: int = _setting(10 * 2**20, "The largest page, in bytes after decompression", least=1)
    max_in_flight: int = _setting(64, "Checks that one fetcher has in hand at once", least=1)
    ignore_robots_hosts: tuple[str, ...] = _setting(
        (), "Hosts (host or host:port, * for all) whose robots.txt is not asked for: those that are yours"
    )
    contact: str | None = _setting(
        None, "How those whose pages are fetched can reach you: the URL of a page, or a mail address"
    )
    user_agent: str | None = _setting(
        None, "User-Agent of fetches, instead of the one that names wordwatch and WORDWATCH_CONTACT"
    )

    log_format: Literal["auto", "console", "json"] = _setting(
        "auto", "Log lines for people or as JSON; auto: for people on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "The least level that is logged")

    def __post_init__(self) -> None:
        """Refuses what can't work together, and numbers out of range."""
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), field.metadata["least"]
            if least is not None and value < least:
                raise SettingError(f"{PREFIX}{field.name.upper()}={value}: must be {least} or more")
            is_port = field.metadata["port"] or field.name == "ops_port"
            if is_port and not 0 <= value <= MAX_PORT:
                raise SettingError(f"{PREFIX}{field.name.upper()}={value}: no port number (0 to 65535)")
        if self.lease_s < self.fetch_timeout_s + LEASE_MARGIN_S:
            raise SettingError(
                f"WORDWATCH_LEASE_S={self.lease_s:g} is too short for WORDWATCH_FETCH_TIMEOUT_S="
                f"{self.fetch_timeout_s:g}: make it {self.fetch_timeout_s + LEASE_MARGIN_S:g} or more"
            )
        if self.auth == "token":
            raise SettingError(
                "WORDWATCH_AUTH=token: there are no tokens yet, they come with a later release; until then listen on "
                "loopback (WORDWATCH_LISTEN=127.0.0.1), or set WORDWATCH_AUTH=off to let in whoever can reach it"
            )
        self._check_names()
        if self.nsqlookupd and self.nsqd:
            raise SettingError("set WORDWATCH_NSQLOOKUPD or WORDWATCH_NSQD, not both")

    def _check_names(self) -> None:
        """Refuses what can't stand in a header as it is, and hosts that no address has."""
        for name in ("trusted_hosts", "ignore_robots_hosts"):
            for host in getattr(self, name):
                if not _HOST.fullmatch(host):
                    raise SettingError(
                        f"{variable(name)}: {host!r} is no host such as example.org, example.org:8080 or [::1]:8080"
                    )
        contact, agent = self.contact or "a@b", self.user_agent or "a"
        if not (_CONTACT.fullmatch(contact) and _PRINTABLE.fullmatch(contact) and len(contact) <= MAX_CONTACT_CHARS):
            raise SettingError(
                f"WORDWATCH_CONTACT={contact!r}: must be a URL (https://…) or a mail address, of printable ASCII, "
                f"without blanks, parentheses and backslashes, {MAX_CONTACT_CHARS} characters at most"
            )
        if not _PRINTABLE.fullmatch(agent) or len(agent) > MAX_AGENT_CHARS:
            raise SettingError(
                f"WORDWATCH_USER_AGENT={agent!r}: must be printable ASCII, {MAX_AGENT_CHARS} characters at most"
            )

    @property
    def agent(self) -> str:
        """The User-Agent header of fetches (RFC 9110 §10.1.5): who asks, and how that one can be reached."""
        if self.user_agent is not None:
            return self.user_agent
        return f"wordwatch/{VERSION} ({f'+{self.contact}' if self.contact else 'word counter; no contact set'})"

    @property
    def tools_dir(self) -> Path:
        """Where the built programs are: `bin/` and `venv/` stand in it."""
        return self.tools or self.home / "tools"


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parse_choice(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def _parse_number(text: str) -> float:
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", text):  # float() would take nan, inf and 1_0
        raise ValueError("a number")
    return float(text)


def _parse_whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError("a whole number")
    return int(text)


def _parser(kind: Any) -> Callable[[str], Any]:
    kind = _without_none(kind)
    if typing.get_origin(kind) is Literal:
        return _parse_choice(typing.get_args(kind))
    plain: dict[Any, Callable[[str], Any]] = {
        int: _parse_whole,
        float: _parse_number,
        str: str,
        Path: lambda text: Path(text).expanduser(),
        tuple[str, ...]: _parse_list,
    }
    return plain[kind]


def _without_none(kind: Any) -> Any:
    """The type of what is set, where unset is None."""
    kinds = typing.get_args(kind)
    return next(one for one in kinds if one is not type(None)) if type(None) in kinds else kind


def variable(name: str) -> str:
    """The environment variable of the field `name`."""
    return PREFIX + name.upper()


def load(environ: Mapping[str, str]) -> Settings:
    """Reads the settings from environment variables; an empty one counts as unset.

    Raises:
        SettingError: a value can't be read, is out of range, or does not fit another one.
    """
    kinds = typing.get_type_hints(Settings)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        text = environ.get(variable(field.name), "").strip()
        if not text:
            continue
        try:
            values[field.name] = _parser(kinds[field.name])(text)
        except ValueError as error:
            raise SettingError(f"{variable(field.name)}={text!r}: must be {error}") from None
    offset = values.get("port_offset", 0)
    for field in dataclasses.fields(Settings):
        if field.metadata["port"]:
            default: Any = field.default
            values.setdefault(field.name, _shifted(default, offset))
    return Settings(**values)


def _shifted(port: int, offset: int) -> int:
    """A default port moved by the offset; past the last port it goes on with the first that anybody may use."""
    return (port - FIRST_FREE_PORT + offset) % (MAX_PORT + 1 - FIRST_FREE_PORT) + FIRST_FREE_PORT


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Variables that begin like ours but are none: most likely misspelt."""
    known = {variable(field.name) for field in dataclasses.fields(Settings)}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def from_environment() -> Settings:
    """The settings of this process."""
    return load(os.environ)


def config_dir() -> Path:
    """The folder of a person's own settings (XDG Base Directory Specification: a relative path there is ignored)."""
    named = Path(os.environ.get("XDG_CONFIG_HOME", "")).expanduser()
    return named if named.is_absolute() else Path("~/.config").expanduser()


def unknown_here() -> list[str]:
    """`unknown` of this process's environment."""
    return unknown(os.environ)


def describe(settings: Settings) -> str:
    """All settings with their present values and meanings, a paragraph of two lines each."""
    lines = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        shown = ",".join(value) if isinstance(value, tuple) else "" if value is None else value
        if field.name == "database_url" and value:
            shown = hide_password(value)
        lines.append(f"{variable(field.name)}={shown}\n    {field.metadata['doc']}")
    return "\n".join(lines)


def main() -> int:
    """Prints the list of settings with the values that hold in this environment."""
    try:
        print(describe(from_environment()))
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    for name in unknown_here():
        print(f"{name} is set, but is no setting of wordwatch: misspelt?", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

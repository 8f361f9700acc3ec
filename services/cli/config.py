"""Which server is asked: the option or WORDWATCH_SERVER, else the file of settings, else this machine."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yarl import URL

from services.cli.outcomes import UsageError

DEFAULT: Final = "http://localhost:8080"
FILE: Final = Path("wordwatch") / "config.toml"
_LOOPBACK: Final = ("localhost", "::1")


@dataclass(frozen=True)
class Server:
    """A gateway.

    Attributes:
        url: its address, without a slash at the end.
        source: where that was found.
    """

    url: str
    source: str

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, by its name."""
        host = URL(self.url).host or ""
        return host in _LOOPBACK or host.endswith(".localhost") or host.startswith("127.")


def choose(given: str | None, config_dir: Path) -> Server:
    """The server to ask.

    Args:
        given: by the option or the environment; empty counts as not given.
        config_dir: the folder of a person's own settings, in which `wordwatch/config.toml` may be.

    Raises:
        UsageError: there is no such address, or the file can't be read.
    """
    if given and given.strip():
        return Server(_normal(given.strip(), "--server or WORDWATCH_SERVER"), "--server or WORDWATCH_SERVER")
    file = config_dir / FILE
    written = _read(file)
    return Server(DEFAULT, "the default") if written is None else Server(_normal(written, str(file)), str(file))


def _read(file: Path) -> str | None:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f'{file} can\'t be read: {error}. It is TOML, with one line: server = "{DEFAULT}"') from None
    strange = sorted(found.keys() - {"server"})
    if strange:
        raise UsageError(f"{file}: {', '.join(strange)} is no setting of this program; there is only server")
    server = found.get("server")
    if server is not None and not isinstance(server, str):
        raise UsageError(f'{file}: server must be a text, as in server = "{DEFAULT}"')
    return server or None


def _normal(text: str, source: str) -> str:
    try:
        url = URL(text if "://" in text else f"http://{text}")
        fits = url.scheme in {"http", "https"} and url.host and not (url.query_string or url.fragment or url.user)
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(f"{source}: {text!r} is no address of a server, such as {DEFAULT}")
    return str(url).rstrip("/")

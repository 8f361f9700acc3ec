"""One hazard: where it is, what it does, and what a check of it should come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType

from deploy.lab.doors import ADDRESS, Door, Doors
from deploy.lab.visit import Route
from shared.errors import ERRORS, Retry, is_retried

ONE_PYTHON: Mapping[str, int] = MappingProxyType({"python": 1})


@dataclass(frozen=True, slots=True, eq=False)
class Hazard:
    """One row of the table.

    Attributes:
        at: path, with which it is found behind its door; or a whole address outside of the lab.
        does: what it does, for a person.
        expects: the error code that a check of it ends with; or the count of each word, which is also what to ask for.
        route: what answers; None where no path does: nobody listens, or no HTTP is spoken.
        status: the HTTP status that the check shows, where it matters.
        door: behind which it is.
        scheme: of its address, if it is not the door's.
        host: in its address.
        waits: the client has to wait until its patience ends.
        heavy: takes the reader of pages a good part of a second or more.
        untrusted: what is expected instead where the lab's authority is not trusted.
    """

    at: str
    does: str
    expects: str | Mapping[str, int]
    route: Route | None = None
    _: KW_ONLY
    status: int | None = None
    door: Door = Door.WEB
    scheme: str | None = None
    host: str = ADDRESS
    waits: bool = False
    heavy: bool = False
    untrusted: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What to count there."""
        return ("python",) if isinstance(self.expects, str) else tuple(self.expects)

    def url(self, doors: Doors) -> str:
        """Its address."""
        return doors.url(self.door, self.at, scheme=self.scheme, host=self.host) if self.at.startswith("/") else self.at

    def outcome(self, *, trusted: bool) -> str:
        """What a check of it should come to, for a person."""
        if self.untrusted is not None and not trusted:
            return self.untrusted
        if isinstance(self.expects, str):
            return self.expects if self.status is None else f"{self.expects} {self.status}"
        return ", ".join(f"{word}: {count}" for word, count in self.expects.items())

    def again(self, *, trusted: bool) -> str:
        """Whether a check of it is tried again by itself, for a person."""
        code = self.untrusted if self.untrusted is not None and not trusted else self.expects
        if not isinstance(code, str):
            return ""
        if ERRORS[code].retry is Retry.ONCE:
            return "once"
        return "yes" if is_retried(code, self.status) else "no"


@dataclass(frozen=True, slots=True)
class Group:
    """Hazards that belong together."""

    title: str
    hazards: tuple[Hazard, ...]

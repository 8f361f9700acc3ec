"""Every reason why a check has no count: one table for the services, the API, the pages and the docs.

Errors are sorted by what has to be done about them, not by where they came from: `Retryable` passes by
itself, `Permanent` does not, and `Poison` is a page that took its parser down. The code is the stable
part; sentences and hints are for people and may be reworded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class Retry(Enum):
    """Whether a failed check is tried again without anybody asking for it."""

    YES = "yes"
    NO = "no"
    BY_STATUS = "by_status"
    """Decided by the HTTP status: see `RETRIED_STATUSES`."""
    ONCE = "once"
    """Due again at once the first time in a run, final the second time: the recorder counts."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row of the table.

    Attributes:
        code: stable name, used in messages, the database, the API and URLs of the docs.
        sentence: what happened, for the person who asked.
        hint: what that person can do about it.
        retry: whether it is tried again by itself.
        by_status: hints that fit better where the HTTP status is one of these; the first row that has it counts.
    """

    code: str
    sentence: str
    hint: str
    retry: Retry
    by_status: tuple[tuple[range, str], ...] = ()

    def hint_for(self, http_status: int | None) -> str:
        """The hint for a check whose page was answered with this status, if it was answered at all."""
        return next((hint for statuses, hint in self.by_status if http_status in statuses), self.hint)


def _statuses(first: int, last: int | None = None) -> range:
    return range(first, (last or first) + 1)


# A hint stands beside an attempt that will be followed by others as well as beside a check that has failed for good.
_TRIED = "It is tried a few times by itself"
_WAIT = f"{_TRIED}; if none works, look at the site in a browser, or check it again later."

_KINDS: Final = (
    ErrorKind(
        "invalid_url",
        "This is not an address that a page can be fetched from.",
        "Write it as in a browser's address bar, for example http://example.org/page.",
        Retry.NO,
    ),
    ErrorKind(
        "dns_not_found",
        "There is no host of this name.",
        "Look for a typing error in the host name.",
        Retry.NO,
    ),
    ErrorKind(
        "dns_failed",
        "The host name could not be looked up: the name server failed or did not answer.",
        f"{_TRIED}; if none works, the domain's name servers are broken, or the one asked here.",
        Retry.YES,
    ),
    ErrorKind(
        "connect_failed",
        "The server refused the connection, broke it off, or can't be reached.",
        _WAIT,
        Retry.YES,
    ),
    ErrorKind("connect_timeout", "The server did not take the connection in time.", _WAIT, Retry.YES),
    ErrorKind(
        "tls_expired",
        "The server's certificate has expired.",
        "The owner of the site has to renew it; then retry the check.",
        Retry.NO,
    ),
    ErrorKind(
        "tls_hostname",
        "The server's certificate was made out to another host name.",
        "Check the host name, with and without www; else only the owner of the site can mend it.",
        Retry.NO,
    ),
    ErrorKind(
        "tls_failed",
        "No trusted encrypted connection could be made with the server.",
        "Its certificate may be self-signed or its chain incomplete; try the address with http://.",
        Retry.NO,
    ),
    ErrorKind("read_timeout", "The server sent nothing for too long.", _WAIT, Retry.YES),
    ErrorKind(
        "deadline_exceeded",
        "The page did not arrive whole in the time that a fetch may take.",
        f"{_TRIED}; the server is slow, or WORDWATCH_FETCH_TIMEOUT_S too short for the page.",
        Retry.YES,
    ),
    ErrorKind(
        "too_many_redirects",
        "The page sends its readers on more than ten times in a row.",
        "Ask for the address where a browser ends up.",
        Retry.NO,
    ),
    ErrorKind(
        "redirect_loop",
        "The page sends its readers round in a circle.",
        "Such pages often want a log-in or a choice made before; ask for another address of the page.",
        Retry.NO,
    ),
    ErrorKind(
        "forbidden_address",
        "The address leads into a private or reserved network, and such places are not fetched from.",
        "If the page is yours, allow its address with WORDWATCH_ALLOW_TARGETS where wordwatch runs.",
        Retry.NO,
    ),
    ErrorKind(
        "robots_disallowed",
        "The site's robots.txt keeps programs away from this page, or its server failed when asked for it.",
        "Ask the owner to allow it, or check it again later; sites of your own: WORDWATCH_IGNORE_ROBOTS_HOSTS.",
        Retry.NO,
    ),
    ErrorKind(
        "rate_limited",
        "The server asked for fewer requests.",
        f"{_TRIED}, not before the time that the server named; check it again later.",
        Retry.YES,
    ),
    ErrorKind(
        "blocked",
        "The server does not show this page to programs, or only after a log-in.",
        "Look at it in a browser; a page behind a log-in or a bot check can't be counted.",
        Retry.NO,
        (
            (_statuses(401), "The server wants a log-in; a page behind one can't be counted."),
            (_statuses(451), "It is withheld for legal reasons, at least where wordwatch runs."),
        ),
    ),
    ErrorKind(
        "http_error",
        "The server answered, but not with the page.",
        "The HTTP status says why; where there is none, what answered broke the rules of HTTP.",
        Retry.BY_STATUS,
        (
            (
                _statuses(206),
                "The server sent a part of the page, which nobody had asked for: only its owner can mend that.",
            ),
            (
                _statuses(300, 399),
                "It leads to no address that can be fetched; look where a browser ends up, and ask for that.",
            ),
            (_statuses(404), "There is no such page: look for a typing error in the address."),
            (_statuses(408), _WAIT),
            (_statuses(410), "The page was removed for good, says its server."),
            (_statuses(425), _WAIT),
            (_statuses(400, 499), "The server did not like the request; look at the address in a browser."),
            (_statuses(500, 599), f"The server has a fault. {_TRIED}; if none works, check it again later."),
            (_statuses(600, 999), "There is no such HTTP status: the server is set up wrongly, or wants no programs."),
        ),
    ),
    ErrorKind(
        "empty_body",
        "The server answered without any content.",
        "Look at the address in a browser: there may be nothing to see there.",
        Retry.NO,
    ),
    ErrorKind(
        "too_large",
        "The page is larger than the size limit.",
        "The limit is set by WORDWATCH_MAX_BODY_BYTES; a part of a page is never counted as the whole.",
        Retry.NO,
    ),
    ErrorKind(
        "decompression_failed",
        "The page came compressed in a way that is broken, unknown, or grows out of all proportion.",
        "The server is set up wrongly; only its owner can mend that.",
        Retry.NO,
    ),
    ErrorKind("body_incomplete", "The connection broke off in the middle of the page.", _WAIT, Retry.YES),
    ErrorKind(
        "unsupported_type",
        "There is no text at this address: it is an image, a document, or another kind of file.",
        "Only HTML, XML, JSON and plain text are counted.",
        Retry.NO,
    ),
    ErrorKind(
        "too_complex",
        "Reading this page needs more memory or time than a page may take.",
        "Ask for a smaller page, or with scope source, which does not read the HTML.",
        Retry.ONCE,
    ),
    ErrorKind(
        "poison",
        "This page crashed the program that reads it, twice.",
        "Please report it with its address; meanwhile scope source, which does not read the HTML, may work.",
        Retry.ONCE,
    ),
    ErrorKind(
        "internal",
        "wordwatch made a mistake of its own.",
        f"{_TRIED}; if none works, please report it with the id of the check.",
        Retry.YES,
    ),
    ErrorKind(
        "lost",
        "This attempt ended without any outcome: its fetcher was stopped or killed meanwhile.",
        "Nothing to do: another attempt follows, and lost ones are not counted.",
        Retry.YES,
    ),
)

ERRORS: Final[Mapping[str, ErrorKind]] = MappingProxyType({kind.code: kind for kind in _KINDS})

RETRIED_STATUSES: Final = frozenset({408, 425})
"""4xx statuses worth another attempt by themselves (RFC 9110 §15.5.9, RFC 8470 §5.2); so is every 5xx."""

MAX_RETRY_AFTER_S: Final = 3600.0
"""A server that asks for a longer pause than this gets this one."""


def error_of(code: str) -> ErrorKind:
    """Look up one code for display.

    A code that is not in the table (written by a newer release) still gets a sentence: an old gateway
    must be able to show it.
    """
    known = ERRORS.get(code)
    if known is not None:
        return known
    return ErrorKind(code, "The check failed.", "Its code is newer than this program: update it.", Retry.NO)


def is_retried(code: str, http_status: int | None = None) -> bool:
    """Tell whether an attempt that failed like this is followed by another by itself.

    False for `Retry.ONCE`: that depends on the run's earlier attempts, which only the recorder knows.
    """
    retry = error_of(code).retry
    if retry is Retry.BY_STATUS:
        return http_status is not None and (http_status in RETRIED_STATUSES or 500 <= http_status <= 599)
    return retry is Retry.YES


class FetchError(Exception):
    """An attempt that ended without a count.

    `FetchError(code, …)` gives an instance of the subclass that says what to do, as `OSError(errno)` does.

    Attributes:
        code: a key of `ERRORS`.
        detail: one line for logs: what exactly was seen. It never stands in for the sentence.
        http_status: status of the answer, if there was one.
        retry_after_s: pause that the server asked for, in seconds, at most `MAX_RETRY_AFTER_S`.
    """

    def __new__(
        cls,
        code: str,
        *,
        detail: str = "",
        http_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> FetchError:
        """Pick the subclass by the code's place in the table."""
        return super().__new__(_class_of(code, http_status) if cls is FetchError else cls, code)

    def __init__(
        self,
        code: str,
        *,
        detail: str = "",
        http_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        if code not in ERRORS:
            raise ValueError(f"no such error code: {code!r}")
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.http_status = http_status
        self.retry_after_s = None if retry_after_s is None else min(max(retry_after_s, 0.0), MAX_RETRY_AFTER_S)

    @property
    def kind(self) -> ErrorKind:
        """The table's row: sentence and hint for people."""
        return ERRORS[self.code]

    @property
    def retryable(self) -> bool:
        """Whether another attempt follows by itself (see `is_retried`)."""
        return is_retried(self.code, self.http_status)

    def __str__(self) -> str:
        status = f" (HTTP {self.http_status})" if self.http_status is not None else ""
        return f"{self.code}{status}: {self.detail or self.kind.sentence}"


class Retryable(FetchError):
    """It may pass: the check becomes due again after a pause."""


class Permanent(FetchError):
    """It will not pass by itself: the check is final."""


class Poison(FetchError):
    """The page killed or exhausted its parser: the first death in a run is retried, the second is final."""


def _class_of(code: str, http_status: int | None) -> type[FetchError]:
    if error_of(code).retry is Retry.ONCE:
        return Poison
    return Retryable if is_retried(code, http_status) else Permanent

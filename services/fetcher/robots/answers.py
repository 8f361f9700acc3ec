"""What an answer to the question for robots.txt means: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.fetcher.fetching.answers import retry_after_s
from services.fetcher.robots.rules import Rules
from shared.errors import MAX_RETRY_AFTER_S, FetchError

FRESH_S: Final = 24 * 3600.0
"""A robots.txt, or that there is none, is believed for a day (RFC 9309 §2.4)."""

BROKEN_FRESH_S: Final = 60.0
"""A server that fails is asked again so soon: a day would shut out a host that recovers after a second."""

LEAST_PAUSE_S: Final = 1.0
_NO_WAY_THERE: Final = ("dns_", "connect_", "tls_", "forbidden_address")
_NO_RULES: Final = Rules()

Outcome = Literal["rules", "absent", "closed", "limited", "failed"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("rules", "absent", "closed", "limited", "failed")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing of a site may be fetched; the fields are those of `FetchError`."""

    code: str
    detail: str
    http_status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for one robots.txt.

    Attributes:
        outcome: `rules` came; or it is `absent` and all is allowed; the server has it `closed` by a fault of its own,
            or wants to be asked later (`limited`); or the question `failed` on its way.
        fresh_s: for how many seconds it may be kept; 0 is for those alone who wait for it.
        rules: what is allowed where nothing is refused.
        refusal: holds for the whole site if there is one.
    """

    outcome: Outcome
    fresh_s: float
    rules: Rules = _NO_RULES
    refusal: Refusal | None = None

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return 500 + self.rules.size_bytes

    def error(self, left_s: float) -> FetchError | None:
        """Make the error of an attempt at any page of the site, if there is one.

        Args:
            left_s: how much of `fresh_s` is left: a pause that the server asked for has run since then.
        """
        if self.refusal is None:
            return None
        pause_s = None if self.refusal.retry_after_s is None else max(LEAST_PAUSE_S, left_s)
        return FetchError(
            self.refusal.code,
            detail=self.refusal.detail,
            http_status=self.refusal.http_status,
            retry_after_s=pause_s,
        )


def from_status(status: int, headers: Mapping[str, str], now: datetime) -> Answer | None:
    """Judge an answer by its status (RFC 9309 §2.3.1.3 and §2.3.1.4); None if the body holds the rules.

    A server that asks for a pause, by 429 or by Retry-After, is not asked for its pages before: the RFC would have a
    429 mean that there is no robots.txt.

    Args:
        status: of the answer; redirects that can be followed have been.
        headers: of the answer.
        now: for a Retry-After that names an instant.
    """
    if 200 <= status <= 299:
        return None
    pause_s = retry_after_s(headers, now)
    if status == 429 or (status == 503 and pause_s is not None):
        pause_s = min(max(BROKEN_FRESH_S if pause_s is None else pause_s, LEAST_PAUSE_S), MAX_RETRY_AFTER_S)
        refusal = Refusal("rate_limited", f"robots.txt answered {status}", status, pause_s)
        return Answer("limited", pause_s, refusal=refusal)
    if status >= 500:
        refusal = Refusal("robots_disallowed", f"robots.txt answered {status}, which closes the site", status)
        return Answer("closed", BROKEN_FRESH_S, refusal=refusal)
    return Answer("absent", FRESH_S)


def from_failure(error: FetchError) -> Answer:
    """Take over why the question failed: the check ends with the same error, and the next one asks again."""
    # Where no page could be reached either, it makes no difference what was asked for.
    detail = error.detail if error.code.startswith(_NO_WAY_THERE) else f"asking for robots.txt: {error.detail}"
    return Answer("failed", 0.0, refusal=Refusal(error.code, detail, error.http_status, error.retry_after_s))

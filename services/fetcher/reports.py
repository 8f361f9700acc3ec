"""What an attempt found, as parts of its report: pure."""

import re

from services.fetcher.counting import PageCount
from services.fetcher.fetching.fetch import Trail
from shared.errors import FetchError
from shared.messages import AttemptError, Counted, PageFacts

MAX_TITLE_CHARS = 500
MAX_TYPE_CHARS = 200
MAX_DETAIL_CHARS = 500
_SURROGATE = re.compile("[\ud800-\udfff]")


def _text(text: str, most: int) -> str:
    """Text that a message can hold: of bytes in a header that are no characters, aiohttp makes lone surrogates."""
    return _SURROGATE.sub("\ufffd", text[:most])


def counted(page: PageCount) -> Counted:
    """The count and its snippets."""
    return Counted(
        counts=page.counts,
        total=page.total,
        rule_version=page.rule_version,
        snippets={word: tuple(found) for word, found in page.snippets.items()},
    )


def facts(trail: Trail, page: PageCount | None = None) -> PageFacts:
    """What is known of the page, as far as the attempt got."""
    timings = dict(trail.timings_ms)
    if page is not None:
        timings |= {"parse": round(page.parse_ms), "count": round(page.count_ms)}
    content_type = (trail.content_type or "").partition(";")[0].strip().lower()
    return PageFacts(
        http_status=trail.http_status,
        final_url=trail.final_url,
        redirects=tuple(trail.redirects),
        address=trail.address,
        title=_text(page.title, MAX_TITLE_CHARS) if page is not None and page.title is not None else None,
        content_type=_text(content_type, MAX_TYPE_CHARS) or None,
        charset=page.charset if page is not None else None,
        bytes=trail.bytes if page is not None else None,
        timings_ms=timings,
    )


def error(problem: FetchError) -> AttemptError:
    """Why there is no count."""
    return AttemptError(
        code=problem.code,
        detail=_text(problem.detail, MAX_DETAIL_CHARS),
        retry=problem.retryable,
        retry_after_s=problem.retry_after_s,
    )


def internal(problem: Exception) -> AttemptError:
    """An error of our own."""
    detail = f"{type(problem).__name__}: {problem}"
    return AttemptError(code="internal", detail=_text(detail, MAX_DETAIL_CHARS), retry=FetchError("internal").retryable)

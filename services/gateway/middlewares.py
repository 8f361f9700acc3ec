"""What every request goes through, outermost first: `observe`, `answer_problems`, `access`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog
from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestPayloadError
from structlog.contextvars import bound_contextvars

from services.gateway import codings, headers
from services.gateway.access import KnownHosts, authority_of_target, is_cross_site, split_host
from services.gateway.answers import batch_place, check_place
from services.gateway.commands import Refused
from services.gateway.metrics import Metrics
from services.gateway.problems import CONTENT_TYPE, Problem, of_status
from services.gateway.sending import NotCommitted
from services.gateway.store import StoreUnavailable
from services.gateway.waiting import TooManyWaiting
from shared.web.refusals import Refusal, Refuse
from shared.web.serving import awaiting_body

log = structlog.get_logger(__name__)

ProblemPage = Callable[[web.Request, Problem], web.Response]
"""Renders a problem for a person."""

TRACE: Final = web.RequestKey("trace", str)
REQUEST_ID: Final = "X-Request-Id"
FORM_TYPE: Final = "application/x-www-form-urlencoded"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers send `Origin: null` with our own form (Fetch, "append a request Origin").
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

REFUSALS: Final = {
    ("check", "idempotency_key_reused"): (
        "idempotency_key_reused",
        "This Idempotency-Key belongs to a request with another body.",
    ),
    ("check", "not_found"): ("not_found", "There is no check of this id."),
    ("check", "deleted"): ("not_found", "The check was recorded, and somebody has deleted it since."),
    ("check", "already_finished"): (
        "already_finished",
        "The check is done or failed: there is nothing left to cancel.",
    ),
    ("check", "not_retryable"): ("not_retryable", "The check has neither failed nor been cancelled."),
    ("batch", "idempotency_key_reused"): (
        "idempotency_key_reused",
        "This Idempotency-Key belongs to a request with other lines or options; the batch is gone again.",
    ),
    ("batch", "not_found"): ("not_found", "There is no batch of this id."),
    ("batch", "deleted"): ("not_found", "The batch was recorded, and somebody has deleted it since."),
    ("batch", "already_finished"): ("already_finished", "The batch is finished or cancelled."),
    ("batch", "not_retryable"): ("not_retryable", "None of its lines has failed."),
    ("batch", "still_receiving"): ("still_receiving", "The upload of the batch is under way."),
    ("batch", "not_receiving"): ("not_receiving", "The batch was cancelled or deleted while its lines came."),
    ("batch", "incomplete"): (
        "upload_interrupted",
        "Parts of it were lost on the way, so that the batch is cancelled.",
    ),
}
"""Outcomes of commands, with what they are about, that have an answer of their own: its code and detail."""

_VERSIONS: Final = frozenset({HttpVersion10, HttpVersion11})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: what every answer carries. One that brings a policy of its own keeps it."""
    _lock_down(response, request.get(TRACE))


def _lock_down(response: web.StreamResponse, trace: str | None) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers[hdrs.SERVER] = "wordwatch"
    if trace is not None:
        response.headers[REQUEST_ID] = trace


def refuser(new_id: Callable[[], UUID], metrics: Metrics) -> Refuse:
    """Makes the answers to what no middleware sees: what is no HTTP, too large, too slow, or one too many."""

    def refuse(refusal: Refusal) -> web.Response:
        given = () if refusal.request is None else refusal.request.headers.getall(REQUEST_ID, ())
        trace = headers.trace(given) or new_id().hex
        problem = of_status(refusal.status, refusal.detail)
        response = respond(problem)
        _lock_down(response, trace)
        metrics.request_seconds.labels("other", "none", str(response.status)).observe(0)
        log.info("request refused", trace=trace, status=response.status, code=problem.code, detail=problem.detail)
        return response

    return refuse


def observe(new_id: Callable[[], UUID], metrics: Metrics) -> Middleware:
    """Gives each request its trace id, a log line and its place in the metrics."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        trace = headers.trace(request.headers.getall(REQUEST_ID, [])) or new_id().hex
        request[TRACE] = trace
        began_s = time.perf_counter()
        status = 499  # as nginx calls it: the caller left before the answer
        with bound_contextvars(trace=trace), metrics.in_flight.track_inprogress():
            try:
                response = await handler(request)
                status = response.status
            except web.HTTPException as redirect:  # whatever else is raised was made an answer further in
                status = redirect.status
                raise
            else:
                return response
            finally:
                took_s = time.perf_counter() - began_s
                method = request.method if request.method in _METHODS else "other"
                metrics.request_seconds.labels(method, _route_of(request), str(status)).observe(took_s)
                log.info(
                    "request",
                    method=request.method,
                    path=request.rel_url.raw_path,
                    status=status,
                    took_ms=round(took_s * 1000, 1),
                )

    return middleware


def _route_of(request: web.Request) -> str:
    """The path with its variable parts as names, so that the metrics stay few."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


def answer_problems(page: ProblemPage) -> Middleware:
    """Answers whatever went wrong with problem details, or a page for people who asked for one."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            allow = error.headers.get(hdrs.ALLOW)
            problem = of_status(error.status, error.reason, {} if allow is None else {hdrs.ALLOW: allow})
        except Exception as error:  # the edge: one request's fault must not be another's
            problem = problem_of(error)
        return page(request, problem) if wants_page(request) else respond(problem)

    return middleware


def problem_of(error: Exception) -> Problem:
    """What an exception means to the caller; one that nobody expected is logged."""
    match error:
        case Problem():
            problem = error
        case NotCommitted():
            problem = _not_committed(error)
        case Refused(outcome=outcome, about=about):
            problem = Problem(*REFUSALS.get((about, outcome), ("refused", f"It was refused ({outcome}).")))
        case TooManyWaiting():
            problem = Problem("too_many_waiting", "No request more can wait here now; nothing was recorded.")
        case StoreUnavailable():
            log.warning("database does not answer", error=str(error))
            problem = Problem("database_unavailable", "Nothing can be looked up now. What was recorded is safe.")
        case RequestPayloadError():
            problem = Problem("bad_request", "The body is broken: it does not decode as its headers say.")
        case _:
            log.error("request failed", exc_info=error)
            problem = Problem("internal", "The log tells more, under the X-Request-Id of this answer.")
    return problem


def _not_committed(error: NotCommitted) -> Problem:
    """Where to look for what may be recorded all the same."""
    if error.check_id is not None:
        what, id_, place = "check", error.check_id, check_place(error.check_id)
    elif error.batch_id is not None:
        what, id_, place = "batch", error.batch_id, batch_place(error.batch_id)
    else:
        return Problem("not_committed", "It may be recorded by now, or be soon.")
    detail = f"It may be recorded by now, or be soon; {what} {id_} tells."
    return Problem("not_committed", detail, headers={hdrs.LOCATION: place}, extra={"id": str(id_)})


def respond(problem: Problem) -> web.Response:
    """The problem as JSON."""
    return web.Response(
        body=problem.to_json(),
        status=problem.kind.status,
        headers=problem.all_headers(),
        content_type=CONTENT_TYPE,
    )


def wants_page(request: web.Request) -> bool:
    """Whether a person looks at this with a browser."""
    return not request.path.startswith("/api/") and "text/html" in request.headers.get(hdrs.ACCEPT, "")


def access(known: KnownHosts, *, max_head_bytes: int) -> Middleware:
    """Refuses what can be understood in two ways, unknown Host names, and changes asked for by pages of other sites."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        _require_plain_http(request, max_head_bytes)
        authority = _authority(request, known)
        if is_cross_site(
            request.method,
            origins=request.headers.getall(hdrs.ORIGIN, ()),
            sites=request.headers.getall("Sec-Fetch-Site", ()),
            authority=authority,
            known=known,
        ):
            raise Problem("cross_site_request", "Its Origin or Sec-Fetch-Site header names another site.")
        return await handler(request)

    return middleware


def _require_plain_http(request: web.Request, max_head_bytes: int) -> None:
    """What aiohttp's parser lets pass, though another server might read it differently (or it is too much)."""
    if request.version not in _VERSIONS:
        raise Problem("bad_request", "Only HTTP/1.1 (and 1.0) is understood.")
    if any(coding.strip().lower() != "chunked" for coding in request.headers.getall(hdrs.TRANSFER_ENCODING, ())):
        raise Problem("bad_request", "The only Transfer-Encoding that is understood is chunked.")
    head_bytes = len(request.raw_path) + sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
    if head_bytes > max_head_bytes:
        raise Problem("headers_too_large", f"Request line and headers have more than {max_head_bytes:,} bytes.")


def _authority(request: web.Request, known: KnownHosts) -> str:
    """What the request is addressed to: its target if that says so, else Host. Both have to be known names of ours."""
    hosts = request.headers.getall(hdrs.HOST, ())
    target = authority_of_target(request.raw_path)
    if not hosts and target is None:
        raise Problem("unknown_host", "The request says in no Host header to whom it is addressed.")
    given = (*hosts, *(() if target is None else (target,)))
    for authority in given:
        if split_host(authority) is None:
            raise Problem("bad_request", f"{authority[:300]!r} is no host and port.")
        if not known.knows(authority):
            raise Problem("unknown_host", f"The request was addressed to {authority[:300]!r}.")
    return str(given[-1])


async def read_form(request: web.Request) -> bytes:
    """The body of a request that has to be a URL-encoded form.

    Raises:
        Problem: `unsupported_media_type`: it is none; or as `read_body`.
    """
    require_form(request, FORM_TYPE)
    return await read_body(request)


def require_form(request: web.Request, content_type: str) -> None:
    """Refuses a form that is encoded in another way.

    Raises:
        Problem: `unsupported_media_type`.
    """
    if request.content_type != content_type:
        raise Problem("unsupported_media_type", f"The form is sent as {content_type}.")


async def read_body(request: web.Request, *, timeout_s: float = 30.0) -> bytes:
    """The whole body, decompressed; its size is bounded by the application.

    Raises:
        Problem: `request_timeout`; `body_too_large`; `unsupported_media_type`: it is compressed in an unknown way;
            `bad_request`: it is not what it is said to be.
    """
    coding = codings.check(",".join(request.headers.getall(hdrs.CONTENT_ENCODING, ())))
    max_bytes = request.client_max_size
    if (request.content_length or 0) > max_bytes:
        raise codings.too_large(max_bytes)
    try:
        if request.content.is_eof():  # it came with its head, and nothing has to be awaited
            body = await request.read()
        else:
            with awaiting_body(request):
                async with asyncio.timeout(timeout_s):
                    body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise codings.too_large(max_bytes) from None
    except TimeoutError:
        raise Problem("request_timeout", f"The body was not complete after {timeout_s:g} s.") from None
    return codings.unpack(body, coding, max_bytes=max_bytes)

"""The web pages: plain HTML that works without any script, and keeps itself up to date with one."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import web
from yarl import URL

from services.gateway import filters, formats, forms
from services.gateway.answers import check_id_of
from services.gateway.assets import Assets
from services.gateway.batches.inputs import EXPORT_FORMATS, RETRIED
from services.gateway.batches.retrying import Retrying, filter_to_retry
from services.gateway.commands import Commands, Refused
from services.gateway.filters import CheckFilter
from services.gateway.following import READ_BACK_TIMEOUT_S
from services.gateway.handlers import Api
from services.gateway.inputs import DEFAULT_WORDS, SORTS, STATUSES
from services.gateway.middlewares import TRACE, problem_of, read_form
from services.gateway.problems import Problem
from services.gateway.progress import segments
from services.gateway.requests import check_request, list_request
from services.gateway.selecting import did
from services.gateway.sending import NotCommitted
from services.gateway.store import READ_TIMEOUT_S, StoreUnavailable
from services.gateway.views import CheckList, CheckView
from services.gateway.waiting import TooManyWaiting
from shared.clock import WallClock
from shared.errors import error_of
from shared.messages import FINAL
from shared.version import VERSION

TEMPLATES: Final = Path(__file__).parent / "templates"
MOST_PROBLEMS: Final = 5
PROBLEMS_OF: Final = timedelta(days=1)
"""What has failed lately stands before all else, and no longer than that."""
SEEN_AT_ONCE: Final = 10
"""Unless it stands so far up anyway."""
SHOWN_WORDS: Final = 3
"""Words whose counts stand in the list; the rest is a number of more."""
LIST_PARAMETERS: Final = frozenset({*filters.NAMES, "sort", "cursor"})
"""What the list takes of its URL; others, such as those of mail programs, say nothing here."""
_TOLD: Final = "retried"
"""In the URL of a list that the form which retries all of it leads to: how many have begun anew, or the next."""
_BY_AND_BY: Final = "more"
_FROM: Final = ("from", "batch")
"""Field of the form that retries many checks: it stands on the page of their batch, and leads back there."""
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_FILTERS: Final[tuple[Callable[..., Any], ...]] = (
    *(formats.number, formats.size, formats.duration, formats.percent, formats.rate, formats.span),
    *(formats.iso, formats.full_moment, segments),
)
_ASKED_AGAIN: Final = ("url", "words", "scope", "whole_word", "case_sensitive", "label")
_SHOWN_BY_THE_PAGE: Final = frozenset({"already_finished", "not_retryable"})
"""Refusals that need no words: somebody clicked on a button that is not there any more."""


@dataclass(frozen=True, slots=True)
class FormState:
    """The form as it is shown: what was written into it, and what is wrong with that, by field and as a whole."""

    values: Mapping[str, str] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None


EMPTY_FORM: Final = FormState()


def setup_templates(app: web.Application, assets: Assets, clock: WallClock) -> None:
    """Prepares the templates; all they show is escaped."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    for function in _FILTERS:
        environment.filters[function.__name__] = function
    environment.filters["moment"] = lambda value: formats.moment(value, clock())
    environment.filters["sentence"] = lambda code: error_of(code).sentence
    environment.tests["web"] = formats.is_web
    environment.tests["final"] = FINAL.__contains__
    environment.globals |= {
        "asset": assets.path,
        "version": VERSION,
        "default_words": DEFAULT_WORDS,
        "shown_words": SHOWN_WORDS,
        "not_known": formats.NOT_KNOWN,
    }


def problem_page(request: web.Request, problem: Problem) -> web.Response:
    """A problem for a person."""
    context = {"problem": problem, "kind": problem.kind, "trace": request.get(TRACE, "")}
    return render("problem.html", request, context, status=problem.kind.status, headers=problem.all_headers())


class Pages:
    """The handlers of the pages and what they need."""

    def __init__(self, api: Api, commands: Commands, retrying: Retrying, *, clock: WallClock) -> None:
        self._clock = clock
        self._api = api
        self._commands = commands
        self._retrying = retrying

    def routes(self) -> list[web.RouteDef]:
        """Where each page is."""
        return [
            *(web.get(path, self.show_list) for path in ("/", "/tasks")),
            *(web.post(path, self.take_form) for path in ("/", "/tasks")),
            web.post("/checks/retry", self.retry_all),
            web.get("/checks/{id}", self.show_check),
            web.post("/checks/{id}/cancel", self.cancel),
            web.post("/checks/{id}/retry", self.retry),
            web.post("/checks/{id}/again", self.again),
            web.post("/checks/{id}/delete", self.delete),
        ]

    async def show_list(self, request: web.Request) -> web.Response:
        """The form, and the list of past checks."""
        return await self._list(request, EMPTY_FORM, status=200)

    async def take_form(self, request: web.Request) -> web.Response:
        """Submits what the form asks for and leads back to the list; what is wrong is shown beside the form."""
        values = forms.parse_form(await read_form(request))
        try:
            asked = check_request(forms.check_fields(values))
            await self._commands.submit(asked, key=None, trace=request[TRACE])
        except (Problem, NotCommitted, Refused, TooManyWaiting) as error:
            problem = problem_of(error)
            form = FormState(values=values, messages=forms.messages(problem.errors), problem=problem)
            headers = problem.all_headers()
            return await self._list(request, form, status=problem.kind.status, headers=headers)
        raise web.HTTPSeeOther(request.path)

    async def _list(
        self, request: web.Request, form: FormState, *, status: int, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        given = request.query.items() if form is EMPTY_FORM else ()
        query = list_parameters(given)
        asked = list_request(query)
        page: CheckList | None = None
        problems: Sequence[CheckView] = ()
        try:
            # What a form asks for was waited for already.
            within_s = READ_TIMEOUT_S if form is EMPTY_FORM else READ_BACK_TIMEOUT_S
            page = await self._api.page_of_checks(asked, timeout_s=within_s)
            seen = {check.id for check in page.items[:SEEN_AT_ONCE]}
            failed = await self._api.newest_problems(asked, since=self._clock() - PROBLEMS_OF, most=MOST_PROBLEMS)
            problems = [check for check in failed if check.id not in seen]
        except StoreUnavailable as error:  # the form is still of use: what it submits waits in the queue
            problem = problem_of(error)
            status, headers = max(status, problem.kind.status), {**problem.all_headers(), **(headers or {})}
        context = {
            "form": form,
            "page": page,
            "problems": problems,
            "path": request.path,
            **_places(request, query, page),
            "is_first": asked.cursor is None,
            "sort": asked.sort,
            "is_live": page is not None and (asked.cursor is None or any(not check.is_final for check in page.items)),
            "wanted": dict(query),
            "did": did(request),
            "status": asked.wanted.status or "",
            "to_retry": _to_retry(asked.wanted, query),
            "retried": retried_of(request),
        }
        return render("list.html", request, context, status=status, headers=headers)

    async def retry_all(self, request: web.Request) -> web.Response:
        """Begins all failed or cancelled checks of a list anew, and leads back to it, or to the page of their batch."""
        fields = [(name, value) for name, value in forms.parse_form(await read_form(request)).items() if value]
        filter_ = dict(each for each in fields if each != _FROM)
        wanted = filter_to_retry(filter_.items(), {})
        retried = await self._retrying.retry(wanted, trace=request[TRACE])
        told = {_TOLD: str(retried.retried) if retried.finished else _BY_AND_BY}
        if _FROM in fields and wanted.batch_id is not None:
            raise web.HTTPSeeOther(URL.build(path=f"/batches/{wanted.batch_id}", query=told))
        raise web.HTTPSeeOther(URL.build(path="/", query=filter_ | told))

    async def show_check(self, request: web.Request) -> web.Response:
        """One check with everything that is known of it."""
        check, attempts = await self._api.find_check(request), await self._api.find_attempts(request)
        trace = await self._api.find_trace(request)
        return render("check.html", request, {"check": check, "attempts": attempts.items, "trace": trace})

    async def cancel(self, request: web.Request) -> web.Response:
        """Gives the check up, and shows it again."""
        return await self._change(request, self._commands.cancel)

    async def retry(self, request: web.Request) -> web.Response:
        """Begins a new run of the check, and shows it again."""
        return await self._change(request, self._commands.retry)

    async def again(self, request: web.Request) -> web.Response:
        """Submits a new check that asks for the same, and shows that one."""
        check = await self._api.find_check(request)
        asked = check_request({name: getattr(check, name) for name in _ASKED_AGAIN})
        submitted = await self._commands.submit(asked, key=None, trace=request[TRACE])
        raise web.HTTPSeeOther(f"/checks/{submitted.check_id}")

    async def delete(self, request: web.Request) -> web.Response:
        """Deletes the check, and shows the list."""
        await self._commands.delete(check_id_of(request), trace=request[TRACE])
        raise web.HTTPSeeOther("/")

    async def _change(self, request: web.Request, change: Callable[..., Awaitable[None]]) -> web.Response:
        check_id = check_id_of(request)
        try:
            await change(check_id, trace=request[TRACE])
        except Refused as refused:
            if refused.outcome not in _SHOWN_BY_THE_PAGE:
                raise
        raise web.HTTPSeeOther(f"/checks/{check_id}")


def list_parameters(given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What the list takes of a URL or a form; what is left blank there says nothing."""
    return [(name, value.strip()) for name, value in given if name in LIST_PARAMETERS and value.strip()]


def _to_retry(wanted: CheckFilter, query: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The filter as the form that retries all of it sends it; empty where the list has others than that is for."""
    if wanted.status not in RETRIED and (wanted.status is not None or wanted.error is None):
        return []
    return [(name, value) for name, value in query if name in filters.NAMES]


def retried_of(request: web.Request) -> int | str | None:
    """How many checks have begun anew, where a form that asked for that has led here; or something else."""
    told = request.query.get(_TOLD)
    return int(told) if told is not None and _NUMBER.fullmatch(told) else told


def _places(request: web.Request, query: Sequence[tuple[str, str]], page: CheckList | None) -> dict[str, Any]:
    """What the list is narrowed down by, and where lists beside it are."""
    filter_ = {name: value for name, value in query if name != "cursor"}
    here = request.rel_url.with_query(filter_)
    others = {name: value for name, value in filter_.items() if name != "status"}
    narrowed = {name: value for name, value in others.items() if name != "sort"}
    return {
        "failed_place": str(here.with_query(others | {"status": "failed"})),
        "exports": [
            (format_.upper(), str(URL.build(path="/checks/export", query=filter_ | {"format": format_})))
            for format_ in EXPORT_FORMATS
        ],
        "narrowed": narrowed.items(),
        "is_narrowed": bool(narrowed) or "status" in filter_,
        "sorts": [(sort, str(here.with_query(filter_ | {"sort": sort}))) for sort in SORTS],
        "newest": str(here),
        "older": None if page is None or page.next_cursor is None else str(here.update_query(cursor=page.next_cursor)),
        "views": [
            (status, str(here.with_query(others | ({"status": status} if status else {}))))
            for status in ("", *STATUSES)
        ],
    }


def render(
    template: str,
    request: web.Request,
    context: dict[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A page made of a template."""
    response = aiohttp_jinja2.render_template(template, request, context, status=status)
    response.headers.update(headers or {})
    return response

"""The web pages: plain HTML that works without any script, and keeps itself up to date with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

from services.gateway import formats, forms
from services.gateway.assets import Assets
from services.gateway.handlers import Api
from services.gateway.middlewares import TRACE, problem_of, read_body
from services.gateway.problems import PROBLEMS, Problem, ProblemKind, kind_of
from services.gateway.requests import DEFAULT_LIMIT, DEFAULT_WORDS, check_request
from services.gateway.store import StoreUnavailable
from services.gateway.submit import NotCommitted, Refused, Submitter
from services.gateway.views import CheckList
from services.gateway.waiting import TooManyWaiting
from shared.clock import WallClock
from shared.errors import ERRORS
from shared.messages import FINAL
from shared.version import VERSION

TEMPLATES: Final = Path(__file__).parent / "templates"
SHOWN_WORDS: Final = 3
"""Words whose counts stand in the list; the rest is a number of more."""
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


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
    for function in (formats.number, formats.size, formats.duration, formats.iso, formats.full_moment):
        environment.filters[function.__name__] = function
    environment.filters["moment"] = lambda value: formats.moment(value, clock())
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
    return _page("problem.html", request, context, status=problem.kind.status, headers=problem.all_headers())


class Pages:
    """The handlers of the pages and what they need."""

    def __init__(self, api: Api, submitter: Submitter) -> None:
        self._api = api
        self._submitter = submitter

    def routes(self) -> list[web.RouteDef]:
        """Where each page is."""
        return [
            *(web.get(path, self.show_list) for path in ("/", "/tasks")),
            *(web.post(path, self.take_form) for path in ("/", "/tasks")),
            web.get("/checks/{id}", self.show_check),
            web.get("/docs/problems", self.show_problems),
            web.get("/docs/problems/{code}", self.show_problem),
        ]

    async def show_list(self, request: web.Request) -> web.Response:
        """The form, and the list of past checks."""
        return await self._list(request, EMPTY_FORM, status=200)

    async def take_form(self, request: web.Request) -> web.Response:
        """Submits what the form asks for and leads back to the list; what is wrong is shown beside the form."""
        if request.content_type != _FORM_TYPE:
            raise Problem("unsupported_media_type", f"The form is sent as {_FORM_TYPE}.")
        values = forms.parse_form(await read_body(request))
        try:
            asked = check_request(forms.check_fields(values))
            await self._submitter.submit(asked, key=None, trace=request[TRACE])
        except (Problem, NotCommitted, Refused, TooManyWaiting) as error:
            problem = problem_of(error)
            form = FormState(values=values, messages=forms.messages(problem.errors), problem=problem)
            headers = problem.all_headers()
            return await self._list(request, form, status=problem.kind.status, headers=headers)
        raise web.HTTPSeeOther(request.path)

    async def _list(
        self, request: web.Request, form: FormState, *, status: int, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        cursor = request.query.get("cursor") if form is EMPTY_FORM else None
        page: CheckList | None = None
        try:
            page = await self._api.page_of_checks(limit=DEFAULT_LIMIT, cursor=cursor)
        except StoreUnavailable as error:  # the form is still of use: what it submits waits in the queue
            status = max(status, problem_of(error).kind.status)
        context = {
            "form": form,
            "page": page,
            "path": request.path,
            "is_first": cursor is None,
            "is_live": page is not None and any(not check.is_final for check in page.items),
        }
        return _page("list.html", request, context, status=status, headers=headers)

    async def show_check(self, request: web.Request) -> web.Response:
        """One check with everything that is known of it."""
        return _page("check.html", request, {"check": await self._api.find_check(request.match_info["id"])})

    async def show_problems(self, request: web.Request) -> web.Response:
        """All codes."""
        return _page("problems.html", request, {"requests": PROBLEMS.values(), "checks": ERRORS.values()})

    async def show_problem(self, request: web.Request) -> web.Response:
        """The page that the `type` of a problem leads to."""
        code = request.match_info["code"]
        if code not in PROBLEMS and code not in ERRORS:
            raise Problem("not_found", "There is no problem of this code.")
        kind: ProblemKind = kind_of(code)
        return _page("problem_kind.html", request, {"kind": kind, "is_request": code in PROBLEMS})


def _page(
    template: str,
    request: web.Request,
    context: dict[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    response = aiohttp_jinja2.render_template(template, request, context, status=status)
    response.headers.update(headers or {})
    return response

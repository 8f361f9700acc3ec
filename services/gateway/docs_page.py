"""The documentation of the API as pages: `/docs` draws the OpenAPI document, and each problem has a page of its own."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import hdrs, web

from services.gateway.answers import json_answer
from services.gateway.meanings import CODES, Meaning, meanings_of
from services.gateway.openapi.operations import OPERATIONS
from services.gateway.openapi.served import PATH as DOCUMENT
from services.gateway.pages import render
from services.gateway.problems import PROBLEMS, Problem
from shared.errors import ERRORS

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""That of all pages, and pictures that stand in Swagger UI's style sheet (its arrows and locks)."""


class Docs:
    """The handlers. The page fetches the OpenAPI document itself, from where the API serves it."""

    def routes(self) -> list[web.RouteDef]:
        """Where each page is."""
        return [
            web.get("/docs", self.show),
            web.get("/docs/problems", self.show_problems),
            web.get("/docs/problems/{code}", self.show_problem),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """The API: a table of its operations, in whose place a browser with scripts draws all of them."""
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return render("docs.html", request, {"operations": OPERATIONS, "document": DOCUMENT}, headers=headers)

    async def show_problems(self, request: web.Request) -> web.Response:
        """All codes."""
        return render("problems.html", request, {"requests": PROBLEMS.values(), "checks": ERRORS.values()})

    async def show_problem(self, request: web.Request) -> web.Response:
        """The page that the `type` of a problem leads to, or the same as JSON for a program that asks for JSON.

        Raises:
            Problem: `not_found`.
        """
        code = request.match_info["code"]
        if code not in CODES:
            raise Problem("not_found", "There is no problem of this code.")
        meanings = meanings_of(code)
        if _wants_json(request):
            return json_answer(
                {"code": code, "meanings": [_to_json(meaning) for meaning in meanings]},
                headers={hdrs.VARY: hdrs.ACCEPT},
            )
        context = {"code": code, "meanings": meanings}
        return render("problem_kind.html", request, context, headers={hdrs.VARY: hdrs.ACCEPT})


def _to_json(meaning: Meaning) -> dict[str, Any]:
    return {
        "of": meaning.of,
        "status": meaning.status,
        "title": meaning.title,
        "hint": meaning.hint,
        "again": meaning.again,
        "operations": [f"{operation.method.upper()} {operation.path}" for operation in meaning.operations],
    }


def _wants_json(request: web.Request) -> bool:
    """Whether JSON is named and HTML is not: browsers name HTML, and whoever takes anything gets the page."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    return "application/json" in accept and "text/html" not in accept

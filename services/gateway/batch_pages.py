"""The web pages of batches: the form of an upload, the list, and each batch with its lines."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from services.gateway import forms
from services.gateway.batches.asking import BatchesAsked, batches_asked, lines_asked
from services.gateway.batches.commands import BatchCommands
from services.gateway.batches.forms import Form, read_form
from services.gateway.batches.inputs import BATCH_STATUSES
from services.gateway.batches.intake import FORM_TYPE, Uploads
from services.gateway.batches.previewing import MAX_BODY_BYTES, preview
from services.gateway.batches.reading import BatchReader, batch_id_of
from services.gateway.batches.views import BatchList, BatchStatus, BatchView
from services.gateway.commands import Refused
from services.gateway.following import READ_BACK_TIMEOUT_S
from services.gateway.middlewares import TRACE, problem_of, require_form
from services.gateway.pages import EMPTY_FORM, FormState, render, retried_of
from services.gateway.problems import Problem
from services.gateway.progress import COUNTED
from services.gateway.sending import NotCommitted
from services.gateway.store import READ_TIMEOUT_S, StoreUnavailable
from services.gateway.waiting import TooManyWaiting

BATCHES: Final = "/batches"
PASTED: Final = "addresses"
"""The field of the form that takes the place of a file."""
SHOWN_WORDS: Final = 20
"""Words whose sums stand on the page of a batch; the exports have all of them."""
_LIST_PARAMETERS: Final = frozenset({"status", "label", "cursor"})
_LINES_PARAMETERS: Final = frozenset({"state", "cursor"})
_CHANGES: Final = ("pause", "resume", "cancel", "retry")
_CHANGING: Final[frozenset[BatchStatus]] = frozenset({"receiving", "running"})
_SHOWN_BY_THE_PAGE: Final = frozenset({"already_finished", "not_retryable", "still_receiving"})
"""Refusals that need no words: somebody clicked on a button that is not there any more."""


class BatchPages:
    """The handlers of the pages and what they need."""

    def __init__(self, batches: BatchReader, uploads: Uploads, commands: BatchCommands) -> None:
        self._batches = batches
        self._uploads = uploads
        self._commands = commands

    def routes(self) -> list[web.RouteDef]:
        """Where each page is."""
        place = f"{BATCHES}/{{id}}"
        return [
            web.get(BATCHES, self.show_list),
            web.post(BATCHES, self.take_form),
            web.post(f"{BATCHES}/preview", self.preview),
            web.get(place, self.show_batch),
            *(web.post(f"{place}/{what}", self.change) for what in _CHANGES),
            web.post(f"{place}/delete", self.delete),
        ]

    def _changes(self) -> dict[str, Callable[..., Awaitable[None]]]:
        commands = self._commands
        return {
            "pause": commands.pause,
            "resume": commands.resume,
            "cancel": commands.cancel,
            "retry": commands.retry,
        }

    async def show_list(self, request: web.Request) -> web.Response:
        """The form, and the list of past batches."""
        return await self._list(request, EMPTY_FORM, status=200)

    async def take_form(self, request: web.Request) -> web.Response:
        """Takes an upload and leads to its batch; what is wrong with it is shown beside the form."""
        require_form(request, FORM_TYPE)
        values: dict[str, str] = {}
        try:
            async with self._uploads.form(request) as form:
                values |= _values(form)
                batch = await self._uploads.take_form(request, form, pasted=PASTED)
        except (Problem, NotCommitted, Refused, TooManyWaiting) as error:
            problem = problem_of(error)
            state = FormState(values=values, messages=forms.messages(problem.errors), problem=problem)
            return await self._list(request, state, status=problem.kind.status, headers=problem.all_headers())
        raise web.HTTPSeeOther(_place(batch))

    async def preview(self, request: web.Request) -> web.Response:
        """Tells how the upload would be read, as a part of its page; to tell what is wrong with it is to have answered.

        Raises:
            Problem: the form itself can't be read.
        """
        require_form(request, FORM_TYPE)
        context: dict[str, Any] = {"seen": None, "problem": None, "messages": {}}
        async with read_form(request, max_bytes=MAX_BODY_BYTES, spool=io.BytesIO) as form:
            try:
                context["seen"] = await preview(form, pasted=PASTED, max_bytes=self._uploads.max_bytes)
            except Problem as problem:
                context |= {"problem": problem, "messages": forms.messages(problem.errors)}
        return render("preview.html", request, context)

    async def _list(
        self, request: web.Request, form: FormState, *, status: int, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        asked = batches_asked(_only(request.query.items() if form is EMPTY_FORM else (), _LIST_PARAMETERS))
        page: BatchList | None = None
        try:
            within_s = READ_TIMEOUT_S if form is EMPTY_FORM else READ_BACK_TIMEOUT_S
            page = await self._batches.page_of_batches(asked, timeout_s=within_s)
        except StoreUnavailable as error:
            problem = problem_of(error)
            status, headers = max(status, problem.kind.status), {**problem.all_headers(), **(headers or {})}
        context = {
            "form": form,
            "page": page,
            "asked": asked,
            "states": COUNTED,
            "is_first": asked.cursor is None,
            "is_live": page is not None and any(batch.status in _CHANGING for batch in page.items),
            **_list_places(request, asked, page),
        }
        return render("batches.html", request, context, status=status, headers=headers)

    async def show_batch(self, request: web.Request) -> web.Response:
        """One batch: how far it is, what became of it, and its lines."""
        asked = lines_asked(_only(request.query.items(), _LINES_PARAMETERS))
        batch = await self._batches.find_batch(request)
        page = await self._batches.page_of_lines(batch.id, asked)
        first = request.rel_url.with_query({} if asked.state is None else {"state": asked.state})
        retried = retried_of(request)
        context = {
            "batch": batch,
            "page": page,
            "state": asked.state,
            "states": COUNTED,
            "errors": batch.errors_by_code.items(),
            "word_totals": list(batch.word_totals.items())[:SHOWN_WORDS],
            "is_first": asked.cursor is None,
            "is_live": batch.status in _CHANGING or _has_rows_to_follow(batch) or isinstance(retried, str),
            "retried": retried,
            "first": str(first),
            "further": None if page.next_cursor is None else str(first.update_query(cursor=page.next_cursor)),
        }
        return render("batch.html", request, context)

    async def change(self, request: web.Request) -> web.Response:
        """Pauses, resumes, cancels or retries the batch, as the path says, and shows it again."""
        batch_id = batch_id_of(request)
        try:
            await self._changes()[request.path.rpartition("/")[2]](batch_id, trace=request[TRACE])
        except Refused as refused:
            if refused.outcome not in _SHOWN_BY_THE_PAGE:
                raise
        raise web.HTTPSeeOther(f"{BATCHES}/{batch_id}")

    async def delete(self, request: web.Request) -> web.Response:
        """Deletes the batch, and shows the list."""
        await self._commands.delete(batch_id_of(request), trace=request[TRACE])
        raise web.HTTPSeeOther(BATCHES)


def _place(batch: BatchView) -> str:
    return f"{BATCHES}/{batch.id}"


def _has_rows_to_follow(batch: BatchView) -> bool:
    """Whether a batch that nothing more begins of still changes: what had begun ends, and a cancel has many rows."""
    return batch.running > 0 or (batch.status == "cancelled" and batch.queued > 0)


def _values(form: Form) -> dict[str, str]:
    """The fields of a form, to be shown again; words may have been given one by one."""
    values: dict[str, list[str]] = {}
    for name, value in form.fields:
        values.setdefault(name, []).append(value)
    return {name: "\n".join(each) for name, each in values.items()}


def _only(query: Iterable[tuple[str, str]], names: frozenset[str]) -> list[tuple[str, str]]:
    """The parameters that a page takes of its URL; others, such as those of mail programs, say nothing there."""
    return [(name, value) for name, value in query if name in names]


def _list_places(request: web.Request, asked: BatchesAsked, page: BatchList | None) -> dict[str, Any]:
    """Where lists beside this one are."""
    label = {} if asked.label is None else {"label": asked.label}
    here = request.rel_url.with_query(label if asked.status is None else label | {"status": asked.status})
    return {
        "newest": str(here),
        "older": None if page is None or page.next_cursor is None else str(here.update_query(cursor=page.next_cursor)),
        "views": [
            ("", str(here.with_query(label))),
            *((each, str(here.with_query(label | {"status": each}))) for each in BATCH_STATUSES),
        ],
    }

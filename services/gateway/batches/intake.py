"""Taking uploads: from a request, in whichever form, to a batch that is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from services.gateway import headers
from services.gateway.batches import sources
from services.gateway.batches.bodies import PACE, Pace, pieces
from services.gateway.batches.commands import BatchCommands, Closed
from services.gateway.batches.forms import Form, read_form
from services.gateway.batches.reading import BatchReader
from services.gateway.batches.slots import Slots
from services.gateway.batches.sources import Records
from services.gateway.batches.uploading import Upload
from services.gateway.batches.views import BatchView
from services.gateway.commands import Refused
from services.gateway.json_bodies import parse_object
from services.gateway.middlewares import TRACE, problem_of, read_body
from services.gateway.problems import Problem
from services.gateway.sending import NotCommitted
from services.gateway.uploads import options
from services.gateway.uploads.formats import kind_of_type, reader
from services.gateway.uploads.json_batch import read_items
from services.gateway.uploads.options import Options
from services.gateway.waiting import TooManyWaiting

log = structlog.get_logger(__name__)

FORM_TYPE: Final = "multipart/form-data"
TYPES: Final = "application/json, application/x-ndjson, text/csv, text/plain, multipart/form-data"
END_WITHIN_S: Final = 5.0
"""When the gateway stops, uploads under way have this long; then they are broken off."""
_GIVE_UP_WITHIN_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of an upload.

    Attributes:
        batch: the committed batch.
        repeated: whether an earlier upload with the same Idempotency-Key made it.
    """

    batch: BatchView
    repeated: bool


class Uploads:
    """All uploads that are under way here.

    Args:
        commands: make the batches.
        batches: reads them back.
        max_bytes: what one may have, as it comes and unpacked.
        pace: how slow one may be.
    """

    def __init__(self, commands: BatchCommands, batches: BatchReader, *, max_bytes: int, pace: Pace = PACE) -> None:
        self._commands = commands
        self._batches = batches
        self._max_bytes = max_bytes
        self._pace = pace
        self._slots = Slots()
        self._deadlines: set[asyncio.Timeout] = set()
        self._giving_up: set[asyncio.Task[None]] = set()
        self._stop_at_s: float | None = None

    @property
    def max_bytes(self) -> int:
        """What an upload may have."""
        return self._max_bytes

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._deadlines)

    async def take(self, request: web.Request) -> BatchView:
        """Takes the upload in a request of any form, and returns its batch once that is committed.

        Raises:
            Problem: what is wrong with the upload; or there are too many.
            NotCommitted, Refused, TooManyWaiting: see BatchCommands.
        """
        return (await self.upload(request)).batch

    async def upload(self, request: web.Request) -> Uploaded:
        """As `take`, with what the API has to know besides."""
        key = headers.idempotency_key(request.headers.getall("Idempotency-Key", []))
        if request.content_type == FORM_TYPE:
            async with self.form(request) as form:
                said = {name for name, _ in form.fields}
                beside = [(name, value) for name, value in request.query.items() if name not in said]
                given = options.of_form([*form.fields, *beside])
                return await self._take(request, given, sources.of_form(form, given.defaults), key=key)
        given, records = await self._records(request)
        async with self._slot():
            return await self._take(request, given, records, key=key)

    async def _records(self, request: web.Request) -> tuple[Options, Records]:
        """What a request that is no form asks for; of JSON all of the body, of a stream nothing yet.

        JSON is small: its client must not hold a slot, in which nothing happens, for as long as it takes to send it.
        """
        if headers.is_json(request.content_type, request.charset):
            asked = options.fields_of_query(request.query.items())
            given, items = options.of_json(asked | parse_object(await read_body(request)))
            return given, sources.in_turns(read_items(items, given.defaults))
        kind = kind_of_type(request.content_type)
        if kind is None:
            accepted = {"Accept-Post": TYPES}
            raise Problem("unsupported_media_type", f"An upload is one of {TYPES}.", headers=accepted)
        given = options.of_query(request.query.items())
        reading = reader(kind, given.defaults, charset=request.charset)
        return given, sources.of_blocks(pieces(request, max_bytes=self._max_bytes, pace=self._pace), reading)

    @asynccontextmanager
    async def form(self, request: web.Request) -> AsyncIterator[Form]:
        """The form in a request; its file is there as long as the context lasts.

        Raises:
            Problem: see `forms.read_form`.
        """
        async with self._slot(), read_form(request, max_bytes=self._max_bytes, pace=self._pace) as form:
            yield form

    async def take_form(self, request: web.Request, form: Form, *, pasted: str) -> BatchView:
        """Takes a form of the web pages that `form` has read: its file, or what its field `pasted` holds, as text.

        The field is only looked at where no file was chosen.

        Raises:
            Problem, NotCommitted, Refused, TooManyWaiting: as `take`.
        """
        given = options.of_form([(name, value) for name, value in form.fields if name != pasted])
        if form.has_file:
            records = sources.of_form(form, given.defaults)
        else:
            text = "\n".join(value for name, value in form.fields if name == pasted)
            records = sources.of_text(text, given.defaults)
        return (await self._take(request, given, records, key=None)).batch

    def stop(self) -> None:
        """Takes nothing more for long, and ends what is under way within `END_WITHIN_S` and a little."""
        self._stop_at_s = asyncio.get_running_loop().time() + END_WITHIN_S
        for deadline in self._deadlines:
            deadline.reschedule(self._stop_at_s)

    async def wait(self) -> None:
        """Waits until the recorder knows of all that were broken off, a few seconds at most."""
        if self._giving_up:
            await asyncio.wait(self._giving_up, timeout=_GIVE_UP_WITHIN_S)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Room for one upload, which is broken off when the gateway stops.

        Raises:
            Problem: `too_many_uploads`, or `upload_interrupted`.
        """
        async with self._slots.slot():
            deadline = asyncio.timeout_at(self._stop_at_s)
            self._deadlines.add(deadline)
            try:
                async with deadline:
                    yield
            except TimeoutError:
                if not deadline.expired():
                    raise
                raise Problem("upload_interrupted", "This gateway is stopping.") from None
            finally:
                self._deadlines.discard(deadline)

    async def _take(self, request: web.Request, given: Options, records: Records, *, key: str | None) -> Uploaded:
        trace = request[TRACE]
        upload = Upload(self._commands, given, trace=trace)
        try:
            closed = await self._see_closed(upload, records, key=key)
        except BaseException as error:
            if upload.to_give_up:
                self._give_up(upload, self._reason(upload, error), trace)
            raise
        return Uploaded(await self._batches.read_back(closed.batch_id), repeated=closed.repeated)

    async def _see_closed(self, upload: Upload, records: Records, *, key: str | None) -> Closed:
        """Takes the upload; what is nobody's wish, and comes to nothing, is `upload_interrupted`.

        Raises:
            Problem, NotCommitted, Refused, TooManyWaiting: see `take`.
        """
        try:
            return await upload.take(records, key=key)
        except NotCommitted:
            if not upload.to_give_up:
                raise  # it was asked to close, and may yet do so
            raise Problem("upload_interrupted", "Nothing confirmed in time that its lines are recorded.") from None
        except Refused as refused:
            reason = await self._batches.reason_of(upload.batch_id) if refused.outcome == "not_receiving" else None
            if reason is None:
                raise
            raise Problem("upload_interrupted", f"The batch was given up while its lines came: {reason}") from None

    def _reason(self, upload: Upload, error: BaseException) -> str:
        lines = f"{upload.lines:,} line{'' if upload.lines == 1 else 's'}"
        if isinstance(error, Exception):
            return f"The upload ended after {lines}: {problem_of(error).detail}"
        what = "upload broke off" if self._stop_at_s is None else "gateway stopped"
        return f"The {what} after {lines}."

    def _give_up(self, upload: Upload, reason: str, trace: str) -> None:
        """Lets the recorder know; should that fail, it finds out by itself after a minute."""
        task = asyncio.create_task(self._cancel(upload, reason, trace), name="upload given up")
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)

    async def _cancel(self, upload: Upload, reason: str, trace: str) -> None:
        log.info("upload broken off", batch=str(upload.batch_id), lines=upload.lines, reason=reason)
        try:
            await self._commands.cancel(upload.batch_id, reason=reason, trace=trace)
        except (NotCommitted, Refused, TooManyWaiting) as error:
            log.warning("upload not given up", batch=str(upload.batch_id), error=repr(error))

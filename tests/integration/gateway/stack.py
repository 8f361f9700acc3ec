"""A gateway as it runs in production, against a real PostgreSQL, nsqd and recorder, in this process."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from services.gateway import app as gateway
from services.recorder import app as recorder
from shared import messages, topics
from shared.clock import utc_now
from shared.messages import AttemptError, AttemptFinished, AttemptRef, AttemptsStarted, Counted, FetcherHere, PageFacts
from shared.nsq.consumer import Consumer
from shared.nsq.lookup import Lookup
from shared.nsq.producer import Producer
from shared.service import Service
from shared.settings import Settings
from tests import described
from tests.integration.servers import Nsqd, eventually, free_port

REPOSITORY = Path(__file__).parents[3]
CHECKS = "/api/v1/checks"
DEADLINE_S = 10.0


class Stack:
    """What a test of the gateway needs. `url` is the gateway's, `http` a session for it."""

    def __init__(self, database_url: str, nsqd: Nsqd) -> None:
        self.database_url = database_url
        self.nsqd = nsqd
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.said: list[bytes] = []
        """Lines of the log of processes until they were open."""
        self.http = aiohttp.ClientSession(self.url, middlewares=(_as_described,))
        self._lookup = Lookup((), (nsqd.tcp,), nsqd_http=(nsqd.http,))
        self._producer = Producer(lookup=self._lookup, provision=topics.DURABLE)

    @asynccontextmanager
    async def gateway(self, **settings: Any) -> AsyncIterator[Service]:
        """Runs a gateway until the context ends; by itself it must not."""
        given: dict[str, Any] = {
            "port": self.port,
            "database_url": self.database_url,
            "nsqd": (self.nsqd.tcp,),
        } | settings
        async with _running("gateway", gateway.run, Settings(**given)) as service:
            yield service

    @asynccontextmanager
    async def process(
        self, database_url: str | None = None, **environ: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Runs a gateway as a process of its own, open when the context begins, and gone when it ends."""
        environment = {
            "PATH": os.environ["PATH"],
            "WORDWATCH_DATABASE_URL": database_url or self.database_url,
            "WORDWATCH_NSQD": self.nsqd.tcp,
            "WORDWATCH_PORT": str(self.port),
            **environ,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway", cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE
        )
        try:
            assert process.stderr is not None
            async with asyncio.timeout(20):
                while b"gateway open" not in (line := await process.stderr.readline()):
                    assert line, "it ended"
                    self.said.append(line)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    @asynccontextmanager
    async def recorder(self) -> AsyncIterator[Service]:
        """Runs a recorder likewise."""
        config = Settings(database_url=self.database_url, nsqd=(self.nsqd.tcp,), retry_base_s=60.0)
        async with _running("recorder", recorder.run, config) as service:
            yield service

    async def __aenter__(self) -> "Stack":
        await self._lookup.start()
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self._producer.stop(DEADLINE_S)
        await self._lookup.stop()

    async def ask_to(self, what: str, check_id: str, *, status: int, **options: Any) -> dict[str, Any]:
        """Asks for `cancel`, `retry` or `delete` of a check and returns the answer's JSON ({} if there is none)."""
        path = f"{CHECKS}/{check_id}"
        method, path = ("DELETE", path) if what == "delete" else ("POST", f"{path}/{what}")
        async with self.http.request(method, path, **options) as answer:
            text = await answer.text()
            assert answer.status == status, f"{answer.status}: {text}"
            return dict(await answer.json(content_type=None)) if text else {}

    async def pause_hints(self) -> None:
        """Holds back every message of the hints' topic: as if they were all lost."""
        url = f"http://{self.nsqd.http}/topic/pause"
        async with aiohttp.ClientSession() as http, http.post(url, params={"topic": topics.RECORDED.name}) as answer:
            assert answer.status == 200

    async def outcome_of_next_command(self, outcome: str, check_id: UUID | None = None) -> messages.Command:
        """Takes a command instead of a recorder, and stores an outcome for it."""
        taken: asyncio.Queue[messages.Command] = asyncio.Queue()
        consumer = Consumer(
            topic=topics.COMMANDS.name,
            channel=topics.COMMANDS.channels[0],
            lookup=self._lookup,
            max_in_flight=1,
            handler=lambda message: taken.put_nowait(messages.decode_command(message.body)),
        )
        async with asyncio.timeout(DEADLINE_S):
            running = asyncio.create_task(consumer.run())
            command = await taken.get()
            await consumer.stop(DEADLINE_S)
            await running
        await self.execute(
            "INSERT INTO outcomes (command_id, outcome, check_id, created_at) VALUES ($1, $2, $3, clock_timestamp())",
            command.id,
            outcome,
            check_id,
        )
        return command

    async def execute(self, sql: str, *arguments: object) -> None:
        """Changes the database itself, as its superuser."""
        await self.ask(sql, *arguments)

    async def report(self, report: messages.Report) -> None:
        """Publishes what a fetcher would."""
        await self._producer.publish(topics.RESULTS.name, messages.encode(report))

    async def fetchers_are_there(self) -> None:
        """Makes the recorder believe that checks can be given out."""
        await self.report(FetcherHere(fetcher="f-1", version="0.1.0", at=utc_now(), capacity=64, finished_last_s=3))
        await eventually(self._sees_fetcher, what="the fetcher is recorded")

    async def _sees_fetcher(self) -> bool:
        return bool(await self.ask("SELECT count(*) FROM fetchers"))

    async def ask(self, sql: str, *arguments: object) -> Any:
        """Asks the database itself, as its superuser, for one value."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            await connection.close()

    async def post(
        self, body: Any = None, *, headers: Mapping[str, str] | None = None, status: int | None = 202, **fields: Any
    ) -> dict[str, Any]:
        """Asks for a check and returns the answer's JSON."""
        async with self.http.post(CHECKS, json=body or fields, headers=headers) as answer:
            text = await answer.text()
            assert status in (None, answer.status), f"{answer.status}: {text}"
            return dict(await answer.json(content_type=None))

    async def get(
        self, path: str, *, status: int = 200, params: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """Gets JSON."""
        async with self.http.get(path, params=params) as answer:
            text = await answer.text()
            assert answer.status == status, f"{answer.status}: {text}"
            return dict(await answer.json(content_type=None))

    async def started(self, check: Mapping[str, Any], *, attempt: int = 1) -> None:
        """Reports that an attempt of the check is under way."""
        ref = AttemptRef(check_id=UUID(check["id"]), attempt=attempt, host=check["url"].split("/")[2], at=utc_now())
        await self.report(AttemptsStarted(fetcher="f-1", attempts=(ref,)))

    async def finish(
        self,
        check: Mapping[str, Any],
        *,
        counted: Counted | None = None,
        error: AttemptError | None = None,
        facts: PageFacts | None = None,
        took_ms: int = 182,
        attempt: int = 1,
        run: int = 1,
    ) -> None:
        """Reports the outcome of an attempt of the check, which must have been claimed."""
        at = utc_now()
        await self.report(
            AttemptFinished(
                check_id=UUID(check["id"]),
                attempt=attempt,
                run=run,
                host=check["url"].split("/")[2],
                fetcher="f-1",
                started_at=at - timedelta(milliseconds=took_ms),
                finished_at=at,
                counted=counted,
                error=error,
                facts=facts or PageFacts(http_status=200),
            )
        )

    async def finished(self, check: Mapping[str, Any], **how: Any) -> dict[str, Any]:
        """Reports an outcome and returns the check once it is final."""
        await self.finish(check, **how)
        await eventually(lambda: self._is_final(check["id"]), what="the check is final")
        return await self.get(f"{CHECKS}/{check['id']}")

    async def _is_final(self, check_id: str) -> bool:
        return (await self.get(f"{CHECKS}/{check_id}"))["status"] in messages.FINAL


async def _as_described(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Holds every answer of the API against the OpenAPI document."""
    answer = await handler(request)
    if request.url.path.startswith("/api/v1/"):
        body = await answer.read()
        decoded = _decoded(answer.content_type, body)
        described.check_answer(request.method, request.url.path, answer.status, answer.headers, decoded)
    return answer


def _decoded(content_type: str, body: bytes) -> Any:
    if not body:
        return None
    return json.loads(body) if content_type.endswith("json") and "x-" not in content_type else body.decode()


@asynccontextmanager
async def _running(name: str, work: Any, config: Settings) -> AsyncIterator[Service]:
    service = Service(name, config)
    running = asyncio.create_task(service.run(work))
    try:
        await eventually(lambda: running.done() or _is_ready(service), what=f"{name} is ready")
        assert not running.done(), f"{name} ended with {running.result()}"
        yield service
    finally:
        service.stopping.set()
        async with asyncio.timeout(30):
            code = await running
    assert code == 0, f"{name} ended with {code}"


def _is_ready(service: Service) -> bool:
    return len(service.needs) >= 3 and all(service.readiness().values())

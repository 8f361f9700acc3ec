"""Batches through the API while things die: sent until accepted, or broken off; then held to what was sent."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.acceptance.processes import Gateway
from tests.acceptance.stream import Stream
from tests.chaos.plan import Upload
from tests.integration.servers import HOST, eventually

ACCEPTED_WITHIN_S = 150.0
_ASK_AGAIN_S = 0.2
_SEEN_WITHIN_S = 30.0
BATCHES = "/api/v1/batches"


@dataclass
class Sent:
    """An upload, and the ids that its key was answered with."""

    upload: Upload
    ids: list[str]


class Uploads:
    """Sends uploads as the API's documents ask for: with the same key again, to the next gateway, until there is an id.

    Attributes:
        accepted: by key.
        broken: keys of uploads that were broken off on purpose.
    """

    def __init__(self, stream: Stream) -> None:
        self.accepted: dict[str, Sent] = {}
        self.broken: set[str] = set()
        self._stream = stream

    async def send(self, upload: Upload, *, key: str = "") -> None:
        """Sends it until it is accepted, under its own key or another one."""
        asked_at = time.time()
        id_ = await self._post(upload, key or upload.key)
        self.accepted[key or upload.key] = Sent(upload, [id_])
        self._stream.batch_accepted(id_, upload.numbers, asked_at=asked_at)

    async def send_again(self, key: str) -> None:
        """Sends an accepted one once more: it must be the same batch."""
        sent = self.accepted[key]
        sent.ids.append(await self._post(sent.upload, key))

    async def _post(self, upload: Upload, key: str) -> str:
        headers = {"Idempotency-Key": key, "Content-Type": upload.type}
        options: dict[str, Any] = {"params": upload.query, "data": upload.body, "headers": headers}
        first = len(self.accepted)
        answer = await self._until(lambda turn: self._stream.ask("POST", BATCHES, turn=first + turn, **options))
        return str(answer["id"])

    async def begin(self, upload: Upload, gateway: Gateway) -> asyncio.StreamWriter:
        """Sends three quarters of it, and returns the connection when its batch is shown as `receiving`."""
        _, writer = await asyncio.open_connection(HOST, gateway.port)
        head = (
            f"POST {BATCHES}?{urlencode(upload.query)} HTTP/1.1\r\nHost: {HOST}:{gateway.port}\r\n"
            f"Content-Type: {upload.type}\r\nContent-Length: {len(upload.body)}\r\n"
            f"Idempotency-Key: {upload.key}\r\n\r\n"
        )
        writer.write(head.encode() + upload.body[: len(upload.body) * 3 // 4])
        await writer.drain()
        self.broken.add(upload.key)

        async def received() -> bool:
            found = await self._stream.ask("GET", BATCHES, turn=len(self._stream.refusals), params=_of(upload.key))
            return bool(found and found["items"] and found["items"][0]["total"] > 0)

        await eventually(received, timeout_s=_SEEN_WITHIN_S, what=f"{upload.key} is shown as received")
        return writer

    async def all_ended(self) -> bool:
        """Whether every batch has ended: those broken off, too."""
        for status in ("receiving", "running"):
            found = await self._stream.ask(
                "GET", BATCHES, turn=len(self._stream.refusals), params={"status": status, "limit": "1"}
            )
            if found is None or found["items"]:
                return False
        return True

    async def judge(self) -> "Judgement":
        """Reads each batch and all its lines once more, and says what is not as it was sent."""
        judged = Judgement([], [], [])
        for key, sent in self.accepted.items():
            (id_, *others) = dict.fromkeys(sent.ids)
            judged.double += [f"{key}: {[id_, *others]}"] if others else []
            batch, lines = await self._read(f"{BATCHES}/{id_}"), await self._lines(id_)
            judged.lost += [f"{key} {what}" for what in differences(sent.upload, batch, lines)]
            errors = {"http_error": sent.upload.count("failed")} if sent.upload.count("failed") else {}
            told = (batch["errors_by_code"], batch["word_totals"].get("python", 0))
            if told != (errors, sent.upload.words):
                judged.wrong.append(f"{key}: {told}, not {(errors, sent.upload.words)}")
            for label in {key, sent.upload.key}:
                await self._judge_others(label, id_, judged)
        return judged

    async def _judge_others(self, label: str, id_: str, judged: "Judgement") -> None:
        """Whatever else came of the same upload must be cancelled, with sums that add up."""
        found = await self._read(BATCHES, **_of(label))
        for batch in found["items"]:
            if batch["id"] == id_:
                continue
            if batch["status"] != "cancelled":
                judged.double.append(f"{label}: {batch['id']} besides {id_}")
            if sum(batch[state] for state in _STATES) != batch["total"] or batch["queued"] or batch["running"]:
                judged.lost.append(f"{label}: broken off, and its sums do not add up: {batch}")

    async def _lines(self, id_: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: dict[str, str] = {"limit": "500"}
        while True:
            page = await self._read(f"{BATCHES}/{id_}/lines", **query)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def _read(self, path: str, **query: str) -> dict[str, Any]:
        return await self._until(lambda turn: self._stream.ask("GET", path, turn=turn, params=query))

    async def _until(self, ask: Callable[[int], Awaitable[dict[str, Any] | None]]) -> dict[str, Any]:
        """Asks one gateway after the other until there is an answer."""
        began_s, turn = time.monotonic(), 0
        while (answer := await ask(turn)) is None:
            assert time.monotonic() - began_s < ACCEPTED_WITHIN_S, f"no answer: {self._stream.faults[-3:]}"
            turn += 1
            await asyncio.sleep(_ASK_AGAIN_S)
        return answer


@dataclass
class Judgement:
    """What is not as it must be, a line each."""

    lost: list[str]
    wrong: list[str]
    double: list[str]


_STATES = ("queued", "running", "done", "failed", "cancelled", "duplicates", "invalid")


def _of(label: str) -> dict[str, str]:
    return {"label": label, "limit": "500"}


def differences(upload: Upload, batch: dict[str, Any], lines: list[dict[str, Any]]) -> list[str]:
    """What a batch and its lines are, and were not to be."""
    wanted = dict.fromkeys(_STATES, 0) | {
        "done": upload.count("done"),
        "failed": upload.count("failed"),
        "duplicates": upload.count("duplicate"),
        "invalid": upload.count("invalid"),
        "total": len(upload.lines),
        "status": "finished",
        "percent": 100,
        "label": upload.key,
    }
    told = [f"{name} {batch[name]}, not {value}" for name, value in wanted.items() if batch[name] != value]
    if len(lines) != len(upload.lines):
        return [*told, f"{len(lines)} lines, not {len(upload.lines)}"]
    checks: dict[int | None, str] = {}
    for line, found in zip(upload.lines, lines, strict=True):
        if (found["line"], found["text"], found["state"]) != (line.line, line.text, line.state):
            told.append(f"{found}, not {line}")
        if line.is_check:
            checks[line.number] = found["check_id"]
        if found["check_id"] != checks.get(line.number):
            told.append(f"line {line.line} has check {found['check_id']}")
        if (found["reason"] is None) != (line.state == "done") and line.state in ("done", "invalid"):
            told.append(f"line {line.line} has the reason {found['reason']}")
    return told

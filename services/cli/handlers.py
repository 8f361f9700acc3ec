"""What the commands do with checks, and with what may be a check or a batch: ask, wait, tell."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from services.cli import following, render, render_batches
from services.cli.client import WITHIN_S, Client
from services.cli.config import Server
from services.cli.outcomes import FINAL_CHECK, ApiError, Exit, of_all, of_batch, of_check
from services.cli.output import Output
from services.cli.uploads import Question

AT_ONCE: Final = 8
LONGEST_WISH_S: Final = 60
"""The API takes more for this much."""
MOST_PAGES: Final = 1_000
_SOONEST_S, _LATEST_S = 0.25, 2.0

Kind = Literal["checks", "batches"]


@dataclass(frozen=True)
class Tool:
    """What a command works with."""

    client: Client
    output: Output
    server: Server


async def check(tool: Tool, urls: Sequence[str], question: Question, wait_s: float) -> Exit:
    """Asks for a count on each page, a few at once, and tells what came of each in the order they were given."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(url: str) -> dict[str, Any] | ApiError:
        async with free:
            try:
                return await _counted(tool.client, question.body(url), wait_s)
            except ApiError as error:
                if error.outcome is Exit.NOT_TAKEN:
                    raise
                await tool.client.add_hint(error)
                return error

    tasks = [asyncio.create_task(one(url)) for url in urls]
    try:
        outcomes = [_tell_check(tool, url, await task, wait_s) for url, task in zip(urls, tasks, strict=True)]
    except asyncio.CancelledError:
        tool.output.say("No longer waiting. What was asked for goes on: wordwatch list")
        raise
    finally:  # when nobody answers for one, the others are not asked for either
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return of_all(outcomes)


async def _counted(client: Client, body: Mapping[str, Any], wait_s: float) -> dict[str, Any]:
    """Asks for a check and waits for its end: first in the request itself, then by looking again."""
    deadline_s = time.monotonic() + wait_s
    wish_s = min(int(wait_s), LONGEST_WISH_S)
    headers = {"Idempotency-Key": str(uuid.uuid4())} | ({"Prefer": f"wait={wish_s}"} if wish_s else {})
    found: dict[str, Any] = await client.ask("POST", "/checks", body=body, headers=headers, within_s=WITHIN_S + wish_s)
    return await _ended(client, found, deadline_s) if wait_s else found


async def _ended(client: Client, found: dict[str, Any], deadline_s: float) -> dict[str, Any]:
    """The check in its final state, or as it is when time is up."""
    pause_s = _SOONEST_S
    while found["status"] not in FINAL_CHECK and (left_s := deadline_s - time.monotonic()) > 0:
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.5, _LATEST_S)
        found = await client.ask("GET", f"/checks/{found['id']}")
    return found


def _tell_check(tool: Tool, url: str, found: dict[str, Any] | ApiError, wait_s: float) -> Exit:
    if isinstance(found, ApiError):
        if not tool.output.as_json:
            tool.output.say(f"{url}:")
        tool.output.problem(found, tool.client.page_of(found))
        return found.outcome
    tool.output.tell(found, render.check_briefly(found))
    return of_check(found) if wait_s or found["status"] in FINAL_CHECK else Exit.DONE


async def show(tool: Tool, id_: str, *, wait: bool) -> Exit:
    """Shows a check, or a batch, and waits for its end first if asked to."""
    kind, found = await _either(tool.client, "GET", id_)
    if kind == "checks":
        found = await _ended(tool.client, found, float("inf")) if wait else found
        attempts = await tool.client.ask("GET", f"/checks/{id_}/attempts")
        tool.output.tell({**found, "attempts_made": attempts["items"]}, render.check(found, attempts["items"]))
        return Exit.DONE if not wait else of_check(found)
    if wait:
        found = await following.follow(tool, found)
    tool.output.tell(found, render_batches.batch(found))
    return Exit.DONE if not wait else of_batch(found)


async def change(tool: Tool, id_: str, action: Literal["retry", "cancel"], *, wait: bool = False) -> Exit:
    """Begins a check or the failed lines of a batch anew, or gives it up."""
    kind, found = await _either(tool.client, "POST", id_, f"/{action}")
    if wait and kind == "batches":
        found = await following.follow(tool, found)
    elif wait:
        found = await _ended(tool.client, found, float("inf"))
    briefly = render.check_briefly(found) if kind == "checks" else render_batches.batch(found)
    tool.output.tell(found, briefly)
    if not wait:
        return Exit.DONE
    return of_check(found) if kind == "checks" else of_batch(found)


async def delete(tool: Tool, id_: str) -> Exit:
    """Removes a check, or a batch with all its checks."""
    kind, _ = await _either(tool.client, "DELETE", id_)
    tool.output.tell({"id": id_, "deleted": True}, f"deleted the {'check' if kind == 'checks' else 'batch'} {id_}")
    return Exit.DONE


async def _either(client: Client, method: str, id_: str, action: str = "") -> tuple[Kind, Any]:
    """Asks for a check of this id, and where there is none, for a batch: an id does not tell which it is."""
    place = f"{quote(id_, safe='')}{action}"
    try:
        return "checks", await client.ask(method, f"/checks/{place}")
    except ApiError as error:
        if error.status != 404:
            raise
        no_check = error.problem.get("detail", "")
    try:
        return "batches", await client.ask(method, f"/batches/{place}")
    except ApiError as error:
        if error.status == 404:
            error.problem = {**error.problem, "detail": f"{no_check} {error.problem.get('detail', '')}"}
        raise


async def list_(tool: Tool, kind: Kind, filters: Mapping[str, str], *, all_pages: bool) -> Exit:
    """Shows a page of the list of checks or batches, or all of them."""
    table = render.checks if kind == "checks" else render_batches.batches
    if not all_pages:
        page = await tool.client.ask("GET", f"/{kind}", params=filters)
        tool.output.tell(page, table(page["items"]))
        if page["next_cursor"] and not tool.output.as_json:
            tool.output.say("there are more: --all shows them, --limit more of them")
        return Exit.DONE
    seen = 0
    async for items in _pages(tool.client, kind, filters):
        if tool.output.as_json:
            for each in items:
                tool.output.document(each)
        elif items or not seen:
            tool.output.show(table(items))
        seen += 1
    if seen == MOST_PAGES:
        tool.output.say(f"stopped after {MOST_PAGES:,} pages; filters narrow it down, --limit 500 makes pages larger")
    return Exit.DONE


async def _pages(client: Client, kind: Kind, filters: Mapping[str, str]) -> AsyncIterator[list[Any]]:
    cursor: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = await client.ask("GET", f"/{kind}", params={**filters, **cursor})
        yield page["items"]
        if not page["next_cursor"]:
            return
        cursor = {"cursor": page["next_cursor"]}

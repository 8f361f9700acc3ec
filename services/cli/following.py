"""A batch until it ends: a bar with the pace that the API tells, and a summary."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from services.cli import render_batches
from services.cli.outcomes import FINAL_BATCH, ApiError, Exit, Unreachable
from services.cli.render import number

if TYPE_CHECKING:
    from services.cli.handlers import Tool

LOOK_EVERY_S: Final = 0.5
GONE_FOR_S: Final = 60.0
"""A server that is started anew is waited for so long."""
SHOWN_LINES: Final = 10
_BESIDE_THE_BAR: Final = 62
"""Columns: what stands there changes its length, and the bar must not."""


class Bar:
    """A bar on standard error; nothing where that is no terminal. Used as a context."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=max(10, min(40, console.width - _BESIDE_THE_BAR))),
            TextColumn("{task.fields[figures]}"),
            console=console,
            redirect_stdout=False,  # what is written to standard output belongs there
            redirect_stderr=False,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Leaves it as it is, so that what is written next stands below it."""
        self._progress.stop()

    def show(self, what: str, done: float, total: float, figures: str) -> None:
        """Draws it anew."""
        if self._task is None:
            self._task = self._progress.add_task(what, figures=figures, total=None)
        self._progress.update(self._task, description=what, completed=done, total=total or None, figures=figures)

    def say(self, what: str, figures: str) -> None:
        """Says something where it stands."""
        if self._task is not None:
            self._progress.update(self._task, description=what, figures=figures)


def draw(bar: Bar, batch: dict[str, Any]) -> None:
    """Shows how far a batch is."""
    done, total = render_batches.finished_lines(batch), batch["total"]
    failed = batch["failed"] + batch["invalid"]
    parts = [
        f"{number(done)} of {number(total)}",
        f"{number(failed)} failed" if failed else "",
        render_batches.pace(batch),
    ]
    bar.show("counting", done, total, ", ".join(part for part in parts if part))


async def follow(tool: Tool, batch: dict[str, Any], bar: Bar | None = None) -> dict[str, Any]:
    """Waits until a batch has ended and returns it.

    Raises:
        ApiError: it was deleted, or the like.
        Unreachable: nobody answers any more, for too long.
    """
    if bar is None:
        with Bar(tool.output.err) as own:
            return await follow(tool, batch, own)
    heard_s = time.monotonic()
    try:
        while True:
            draw(bar, batch)
            if batch["status"] in FINAL_BATCH:
                return batch
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                batch = await tool.client.ask("GET", f"/batches/{batch['id']}")
                heard_s = time.monotonic()
            except (Unreachable, ApiError) as error:
                if error.outcome is not Exit.NOT_TAKEN or time.monotonic() - heard_s > GONE_FOR_S:
                    raise
                bar.say("no answer", "trying again")
    except (asyncio.CancelledError, Unreachable):
        bar.end()
        tool.output.say(how_to_follow(batch["id"]))
        raise


def how_to_follow(id_: str) -> str:
    """What to do about a batch that nobody waits for."""
    return f"The batch goes on. Follow it: wordwatch show {id_} --wait\nGive it up: wordwatch cancel {id_}"


async def summary(tool: Tool, batch: dict[str, Any]) -> None:
    """Shows what became of a batch, its failures by code, and its first invalid lines."""
    output = tool.output
    if output.as_json:
        output.document(batch)
        return
    output.show(render_batches.batch(batch))
    if batch["invalid"]:
        params = {"state": "invalid", "limit": str(SHOWN_LINES)}
        found = await tool.client.ask("GET", f"/batches/{batch['id']}/lines", params=params)
        more = batch["invalid"] - len(found["items"])
        output.show(Text(""), render_batches.invalid_lines(found["items"], more))
    if batch["failed"]:
        output.say(f"Which ones: wordwatch list --batch-id {batch['id']} --status failed")
        output.say(f"Try them again: wordwatch retry {batch['id']} --wait")
    output.say(f"All results: wordwatch export {batch['id']} -o results.csv")

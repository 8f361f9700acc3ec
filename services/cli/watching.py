"""`wordwatch stats`: once, or anew each second."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from services.cli import render, render_state
from services.cli.handlers import Tool
from services.cli.outcomes import ApiError, Exit, Unreachable, UsageError

EVERY_S: Final = 1.0


async def stats(tool: Tool) -> Exit:
    """Shows the state of the whole once."""
    found = await tool.client.ask("GET", "/stats")
    tool.output.tell(found, render_state.stats(found))
    return Exit.DONE


async def live(tool: Tool) -> Exit:
    """Shows it anew each second, until somebody stops it; as JSON, a document each second.

    Raises:
        UsageError: nobody looks.
    """
    if tool.output.as_json:
        while True:
            tool.output.document(await tool.client.ask("GET", "/stats"))
            await asyncio.sleep(EVERY_S)
    if not tool.output.is_terminal:
        raise UsageError("--live is for a terminal; elsewhere: --live --json, a document each second")
    with (
        contextlib.suppress(asyncio.CancelledError),  # Ctrl-C is how it ends
        Live(Text("asking …"), console=tool.output.out, auto_refresh=False, screen=True) as screen,
    ):
        while True:
            screen.update(await _picture(tool), refresh=True)
            await asyncio.sleep(EVERY_S)
    return Exit.DONE


async def _picture(tool: Tool) -> RenderableType:
    try:
        return render_state.stats(await tool.client.ask("GET", "/stats"))
    except Unreachable as error:
        return render.unreachable(error)  # it may come back
    except ApiError as error:
        if error.outcome is not Exit.NOT_TAKEN:
            raise
        return render.problem(error.problem, "", None)

"""Holds all that a fleet has stored against what must be true of it, as an operator does."""

import asyncio
import subprocess
import sys

from tests.acceptance.fleet import ROOT, Fleet

AUDITED_WITHIN_S = 120.0


async def audited(stack: Fleet) -> None:
    """Asserts that the audit of the stack's database finds nothing; its services may be at work meanwhile."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.recorder", "audit"],
        cwd=ROOT,
        env=stack.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=AUDITED_WITHIN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr

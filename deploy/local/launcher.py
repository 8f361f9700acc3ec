"""The program `wordwatch` in the virtual environment. Standard library alone."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from deploy.local.steps import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NAME = "wordwatch"
# -P: not what lies in the folder where somebody happens to be. PYTHONPATH: this project, whatever it held.
_SCRIPT = """#!/bin/sh
# Written by the set-up of wordwatch.
PYTHONPATH={root} exec {python} -P -m services.cli "$@"
"""


def write(python: Path, launcher: Path) -> None:
    """Writes the launcher, for this project folder and that Python, unless it is there."""
    text = _SCRIPT.format(root=shlex.quote(str(ROOT)), python=shlex.quote(str(python)))
    fresh = launcher.with_name(f"{NAME}.{os.getpid()}.new")
    try:
        if launcher.exists() and launcher.read_text() == text:
            return
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(launcher)
    except OSError as error:  # tools that another user has made serve all the same
        print(f"set-up: {launcher} can't be written ({error.strerror}); the rest works without it", file=sys.stderr)

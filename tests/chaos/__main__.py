"""`python -m tests.chaos [short | medium | long]`: exit code 0 when every bar is reached, else 1."""

import argparse
import asyncio
import functools
import shutil
import sys
import tempfile
from pathlib import Path

from tests.acceptance.victims import seeded
from tests.chaos.run import chaos
from tests.chaos.schedule import FORMS


def main() -> int:
    """Runs a form, tells how far it is, and prints the verdict."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("form", nargs="?", choices=FORMS, default="long")
    form = parser.parse_args().form
    say = functools.partial(print, flush=True)
    logs = Path(tempfile.mkdtemp(prefix="wordwatch-chaos-"))
    verdict = asyncio.run(chaos(FORMS[form], seeded(f"chaos {form}"), say, logs=logs))
    for line in verdict.lines():
        say(line)
    if verdict.missed:
        say(f"the logs of all services: {logs}")
        return 1
    shutil.rmtree(logs)
    return 0


if __name__ == "__main__":
    sys.exit(main())

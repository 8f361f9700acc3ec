"""A fetcher whose parser does what hostile pages ask for, with little patience: `python -m` this module.

Its one argument, if given, is a file that says by how many seconds its clock is off.
"""

import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from services.fetcher import app
from services.fetcher.reading.limits import Limits
from services.fetcher.watchdog import Patience
from shared.clock import utc_now
from shared.service import main
from tests.integration.fetcher.hostile_pages import count

LIMITS = Limits(cpu_s=1, wall_s=10.0)
PATIENCE = Patience(loop_cpu_s=1.0, loop_s=6.0, thread_s=3)


def _clock(shift: Path | None) -> datetime:
    return utc_now() + timedelta(seconds=float(shift.read_text()) if shift else 0)


if __name__ == "__main__":
    now = partial(_clock, Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    sys.exit(main("fetcher", partial(app.run, count=count, limits=LIMITS, patience=PATIENCE, utc_now=now)))

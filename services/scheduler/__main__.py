import sys

from services.scheduler.app import run
from shared.service import main

sys.exit(main("scheduler", run))

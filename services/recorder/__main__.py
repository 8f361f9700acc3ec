import sys

from services.recorder.app import run
from shared.service import main

sys.exit(main("recorder", run))

import sys

from services.fetcher.app import run
from shared.service import main

sys.exit(main("fetcher", run))

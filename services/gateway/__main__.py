import sys

from services.gateway.app import run
from shared.service import main

sys.exit(main("gateway", run))

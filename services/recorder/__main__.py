import sys

from services.recorder import app, audit
from shared.service import main

sys.exit(audit.main() if sys.argv[1:] == ["audit"] else main("recorder", app.run))

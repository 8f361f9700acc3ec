"""`python -m deploy.lab`: see `make lab`."""

import os
import sys

from deploy.lab.command import main

if __name__ == "__main__":
    sys.exit(main(os.environ))

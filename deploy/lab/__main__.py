"""`python -m deploy.lab`: see `make lab`."""

import os
import signal
import sys

if __name__ == "__main__":
    # A Ctrl-C while the rest is still being imported ends this without a traceback. One that is ignored stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from deploy.lab.command import main

    sys.exit(main(os.environ))

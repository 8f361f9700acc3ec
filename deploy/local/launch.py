"""Records this process under a name, then becomes a program: `launch.py HOME NAME FOLDER PROGRAM …`.

The supervisor starts everything through it. Run as a script, by path and without the environment's packages: it is
there again at every restart, and has to be quick.
"""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from deploy.local import records

    home, name, folder, *command = sys.argv[1:]
    records.write(Path(home), records.this_process(name))
    os.chdir(folder)
    os.execvp(command[0], command)  # noqa: S606 - becoming another program is what it is for

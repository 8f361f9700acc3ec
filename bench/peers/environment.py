"""Where the peers live: a virtual environment of their own, of requirements/peers.lock, and two servers of the system.

Their packages are no business of wordwatch's own environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LOCK = ROOT / "requirements" / "peers.lock"
_SYSTEM = ("/usr/sbin", "/usr/local/sbin")
_WITHIN_S = 900


def python() -> Path:
    """The Python of the peers, made when it is not there or the lock has changed."""
    folder = Path(os.environ.get("WORDWATCH_TOOLS") or ROOT / ".wordwatch" / "tools") / "peers"
    stamp, wanted = folder / "lock.sha256", hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    found = folder / "bin" / "python"
    if not (found.exists() and stamp.exists() and stamp.read_text() == wanted):
        print(f"installing the peers into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=_WITHIN_S)
        pip = [str(found), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(_LOCK)]
        subprocess.run(pip, check=True, timeout=_WITHIN_S)
        stamp.write_text(wanted)
    return found


def program(name: str, package: str) -> str:
    """Where a server or tool of the system is.

    Raises:
        LookupError: it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SYSTEM))
    if found is None:
        raise LookupError(f"{name} is not installed (on Debian: apt install {package})")
    return found

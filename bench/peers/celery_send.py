"""Gives Celery its tasks: `python -m bench.peers.celery_send FILE_OF_ADDRESSES WORD FIRST_NUMBER`."""

import sys
import time
from pathlib import Path

from bench.peers.celery_app import count

if __name__ == "__main__":
    file, word, first = sys.argv[1:]
    for number, address in enumerate(Path(file).read_text().split(), int(first)):
        count.delay(number, address, word)
    print(f"CPU {time.process_time()}", flush=True)
    sys.stdin.read()

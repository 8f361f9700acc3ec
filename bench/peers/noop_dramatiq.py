"""Jobs that do nothing, on Dramatiq and Redis: `dramatiq bench.peers.noop_dramatiq -p 1 -t 8`, and `… N`."""

import os
import sys
import threading
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["PEER_REDIS"]))
_done = 0
_lock = threading.Lock()


@dramatiq.actor(max_retries=0)
def nothing(number: int, last: int) -> None:
    """Counts itself; says so when it was the last one."""
    global _done  # noqa: PLW0603 - of one worker process
    with _lock:
        _done += 1
        if _done == last:
            _done = 0
            print(f"DONE {time.time()}", flush=True)


if __name__ == "__main__":
    total = int(sys.argv[1])
    print(f"BEGAN {time.time()}", flush=True)
    for each in range(total):
        nothing.send(each, total)

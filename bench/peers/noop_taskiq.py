"""Jobs that do nothing, on Taskiq and Redis: `taskiq worker bench.peers.noop_taskiq:broker`, and `… noop_taskiq N`."""

import asyncio
import os
import sys
import time

import uvloop
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["PEER_REDIS"], socket_timeout=None)  # or a worker ends after 5 s without a job
_done = 0


@broker.task(task_name="nothing")  # the module is `__main__` where they are sent
async def nothing(number: int, last: int) -> None:
    """Counts itself; says so when it was the last one."""
    global _done  # noqa: PLW0603 - the worker is one process with one loop
    _done += 1
    if _done == last:
        _done = 0
        print(f"DONE {time.time()}", flush=True)


async def send(count: int) -> None:
    """Sends so many, 64 at once."""
    await broker.startup()
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await nothing.kiq(number, count)

    print(f"BEGAN {time.time()}", flush=True)
    await asyncio.gather(*(work() for _ in range(64)))
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(send(int(sys.argv[1])))

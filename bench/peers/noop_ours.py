"""Jobs that do nothing, on `shared.nsq` and nsqd: `python -m bench.peers.noop_ours work NSQD`, and `… send NSQD N`."""

import asyncio
import sys
import time

import uvloop

from shared.nsq.consumer import Consumer
from shared.nsq.lookup import Lookup
from shared.nsq.message import Message
from shared.nsq.producer import Producer

TOPIC, CHANNEL = "nothing", "noop"
_AT_ONCE = 64


async def work(nsqd: str) -> None:
    """Finishes each job; says so when it was the last one. Until it is ended."""
    done = 0

    def handle(message: Message) -> None:
        nonlocal done
        done += 1
        if done == int(message.body.split()[1]):
            done = 0
            print(f"DONE {time.time()}", flush=True)

    async with Lookup((), (nsqd,)) as lookup:
        await Consumer(topic=TOPIC, channel=CHANNEL, lookup=lookup, max_in_flight=500, handler=handle).run()


async def send(nsqd: str, count: int) -> None:
    """Sends so many, 64 at once, each confirmed by nsqd."""
    numbers = iter(range(count))
    provision = [(TOPIC, [CHANNEL])]
    async with Lookup((), (nsqd,)) as lookup, Producer(lookup=lookup, provision=provision) as producer:

        async def some() -> None:
            for number in numbers:
                await producer.publish(TOPIC, b"%d %d" % (number, count))

        print(f"BEGAN {time.time()}", flush=True)
        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))


if __name__ == "__main__":
    uvloop.run(work(sys.argv[2]) if sys.argv[1] == "work" else send(sys.argv[2], int(sys.argv[3])))

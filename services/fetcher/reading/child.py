"""A process that counts one page after the other for a fetcher, and that a page may kill.

    python -m services.fetcher.reading.child MODULE:FUNCTION MEMORY_BYTES

Its standard input is a socket: pages come in and answers go out there, see `wire`. It ends when the fetcher does.
"""

import faulthandler
import socket
import sys

from services.fetcher.reading import limits, wire
from services.fetcher.reading.counter import Count, load
from shared.errors import FetchError


def main(path: str, memory_bytes: int) -> int:
    """Counts pages until there are no more; the exit code is 0 then."""
    limits.bind(memory_bytes)
    faulthandler.enable()
    count = load(path)
    with socket.socket(fileno=0) as channel, channel.makefile("rb") as pages:
        while (asked := wire.next_task(pages)) is not None:
            task, body = asked
            wire.say(channel, wire.Begun(limits.inherited_peak_bytes()))
            with limits.limited(task.cpu_s, task.wall_s):
                answer = _answer(count, task, body, memory_bytes)
            del asked, body  # a page of 10 MB must not stay while the next one comes
            _say(channel, answer)
    return 0


def _answer(count: Count, task: wire.Task, body: bytes, memory_bytes: int) -> wire.Answer:
    try:
        return wire.Read(count(body, task.content_type, task.question), limits.peak_bytes())
    except FetchError as problem:
        return wire.Refused(problem.code, problem.detail, limits.peak_bytes())
    except MemoryError:
        sys.exit(limits.EXIT_MEMORY)
    except Exception as problem:  # the edge of one page: what went wrong is told to the fetcher
        if limits.peak_bytes() >= memory_bytes / 2:  # the parser's own way to say that it was refused memory
            sys.exit(limits.EXIT_MEMORY)
        return wire.Failed(f"{type(problem).__name__}: {problem}"[:500], limits.peak_bytes())


def _say(channel: socket.socket, answer: wire.Answer) -> None:
    try:
        wire.say(channel, answer)
    except UnicodeEncodeError as problem:
        wire.say(channel, wire.Failed(f"the count can't be sent: {problem.reason}", limits.peak_bytes()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))

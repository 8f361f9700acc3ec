"""The least that fetching costs: a loop of aiohttp on uvloop with its defaults, and the same with a parse and a count.

`python -m bench.peers.floor FILE_OF_ADDRESSES WORD bare|counting`
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import uvloop
from selectolax.lexbor import LexborHTMLParser

AT_ONCE = 64


def count(body: bytes, word: str) -> int:
    """How often a word is on a page, roughly."""
    tree = LexborHTMLParser(body)
    for node in tree.css("script, style"):
        node.decompose()
    text = tree.body.text(separator=" ") if tree.body is not None else ""
    return text.casefold().split().count(word)


async def fetch_all(addresses: list[str], word: str, *, counting: bool) -> int:
    """Fetches each once; returns what was counted, or the bytes that came."""
    todo: Iterator[str] = iter(addresses)
    found = 0
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            nonlocal found
            for address in todo:
                async with session.get(address) as answer:
                    body = await answer.read()
                    assert answer.status == 200, answer.status
                found += count(body, word) if counting else len(body)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return found


if __name__ == "__main__":
    file, asked, what = sys.argv[1:]
    began_s = time.process_time()
    uvloop.run(fetch_all(Path(file).read_text().split(), asked, counting=what == "counting"))
    print(f"CPU {time.process_time() - began_s}", flush=True)

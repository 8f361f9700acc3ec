"""A program: fetches URLs in the environment that it is started in, and prints what became of each as JSON.

python -m tests.integration.fetching.fetch_urls ALLOW CA_FILE URL...
"""

from __future__ import annotations

import asyncio
import json
import netrc
import sys
import urllib.request

from shared.errors import FetchError
from tests.integration.fetching.fetchers import open_fetcher


async def fetch_all(allow: str, ca_file: str, urls: list[str]) -> dict[str, str]:
    """Return the body or the error's code of each."""
    found = {}
    async with open_fetcher(allow=allow, ca_file=ca_file) as fetcher:
        for url in urls:
            try:
                found[url] = (await fetcher.fetch(url)).body.decode()
            except FetchError as error:
                found[url] = error.code
    return found


if __name__ == "__main__":
    report = {
        "found": asyncio.run(fetch_all(sys.argv[1], sys.argv[2], sys.argv[3:])),
        # What less careful programs would have gone by.
        "proxies": urllib.request.getproxies(),
        "machines": list(netrc.netrc().hosts),
    }
    print(json.dumps(report))

"""The same work as one Scrapy process does it: selectolax reads, and rows go to PostgreSQL a hundred at a time.

`python -m bench.peers.spider FILE_OF_ADDRESSES WORD`, with the database in PEER_DATABASE.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import scrapy
from scrapy.crawler import CrawlerProcess
from selectolax.lexbor import LexborHTMLParser

AT_ONCE = 64
ROWS_AT_ONCE = 100


class Rows:
    """A pipeline that inserts in batches."""

    def open_spider(self, spider: scrapy.Spider) -> None:
        """Scrapy is ready."""
        self._connection = psycopg.connect(os.environ["PEER_DATABASE"])
        self._connection.execute("CREATE TABLE IF NOT EXISTS scrapy_results (url text, status integer, count integer)")
        self._connection.commit()
        self._rows: list[tuple[str, int, int]] = []
        print("OPEN", flush=True)

    def process_item(self, item: dict[str, Any], spider: scrapy.Spider) -> dict[str, Any]:
        """Takes a row, and writes when there are enough."""
        self._rows.append((item["url"], item["status"], item["count"]))
        if len(self._rows) >= ROWS_AT_ONCE:
            self._write()
        return item

    def _write(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO scrapy_results VALUES (%s, %s, %s)", self._rows)
        self._connection.commit()
        self._rows.clear()

    def close_spider(self, spider: scrapy.Spider) -> None:
        """All is done."""
        self._write()
        self._connection.close()
        print("CLOSED", flush=True)


class Counting(scrapy.Spider):
    """Counts a word on each page."""

    name = "counting"

    def __init__(self, addresses: list[str], word: str) -> None:
        super().__init__()
        self.start_urls = addresses
        self._word = word

    def parse(self, response: scrapy.http.Response, **_: Any) -> Iterator[dict[str, Any]]:
        """Counts on one page."""
        tree = LexborHTMLParser(response.body)
        text = tree.body.text(separator=" ") if tree.body is not None else ""
        yield {"url": response.url, "status": response.status, "count": text.casefold().split().count(self._word)}


SETTINGS = {
    "CONCURRENT_REQUESTS": AT_ONCE,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
    "ROBOTSTXT_OBEY": True,
    "LOG_LEVEL": "WARNING",
    "TELNETCONSOLE_ENABLED": False,
    "ITEM_PIPELINES": {Rows: 1},
}

if __name__ == "__main__":
    process = CrawlerProcess(SETTINGS)
    process.crawl(Counting, addresses=Path(sys.argv[1]).read_text().split(), word=sys.argv[2])
    process.start()

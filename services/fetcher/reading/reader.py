"""From a page to its count, in the place that is right for it."""

import structlog
from selectolax.lexbor import SelectolaxError

from services.fetcher.counting import PageCount
from services.fetcher.reading.counter import Count
from services.fetcher.reading.metrics import Metrics
from services.fetcher.reading.pool import Pool
from services.fetcher.reading.screening import Place, place_of
from services.fetcher.reading.threads import CountingThreads, Page
from shared.messages import ClaimedCheck

log = structlog.get_logger(__name__)


class Reader:
    """Counts pages inline, in a thread, or in a child."""

    def __init__(self, count: Count, *, threads: CountingThreads, pool: Pool, metrics: Metrics) -> None:
        self._count = count
        self._threads = threads
        self._pool = pool
        self._metrics = metrics

    async def read(self, check: ClaimedCheck, page: Page, *, redelivered: bool, until_s: float) -> PageCount:
        """Counts the page of a check.

        Args:
            check: Whose page it is.
            page: Body, Content-Type and question.
            redelivered: nsqd has delivered the attempt before.
            until_s: Monotonic seconds until which the count is of use.

        Raises:
            FetchError: There is no count.
            OutOfTime, ChildFailed: See `pool`.
            StuckThread: See `threads`.
        """
        suspect = redelivered or check.lost > 0 or check.deaths > 0
        place = place_of(page[0], words=len(page[2].words), suspect=suspect)
        name = str(check.check_id)
        try:
            match place:
                case Place.INLINE:
                    return self._count(*page)
                case Place.THREAD:
                    return await self._threads.count(page, name)
        except (MemoryError, SelectolaxError) as error:  # the parser's own word for it
            log.warning("page needs more memory than this process may have", check=name, error=repr(error))
            place = Place.CHILD
        finally:
            self._metrics.pages.labels(place.value).inc()
        return await self._pool.read(*page, until_s=until_s, killer=check.deaths > 0, name=name)

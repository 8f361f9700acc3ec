"""Wires the scheduler: rounds of claims, and a look at how much of `results` waits."""

import asyncio

import aiohttp

from services.scheduler.draining import DrainWatch
from services.scheduler.handlers import Scheduler
from services.scheduler.metrics import Metrics
from shared import topics
from shared.clock import MonotonicClock, monotonic_s
from shared.db import connect
from shared.db.metrics import DatabaseMetrics
from shared.db.single import SingleConnection
from shared.nsq import stats
from shared.nsq.lookup import Lookup
from shared.nsq.wiring import Wiring
from shared.service import Service

ROLE: connect.Role = "wordwatch_scheduler"
WATCH_EVERY_S = 0.5
STATEMENT_TIMEOUT = "15s"
FORCE_LEASES = 2
"""After so many lengths of a lease beyond its end, it is given up whatever still waits."""


async def run(service: Service) -> None:
    """Runs until the service stops."""
    config = service.config
    url = service.database_url()
    await service.while_starting(connect.wait_for(url, role=ROLE, timeout_s=60))

    parameters = {"application_name": service.instance, "statement_timeout": STATEMENT_TIMEOUT}
    database = SingleConnection(url, role=ROLE, parameters=parameters, metrics=DatabaseMetrics(service.registry))
    nsq = Wiring(config, instance=service.instance, registry=service.registry)
    producer = nsq.producer()
    watch = DrainWatch(force_s=FORCE_LEASES * config.lease_s)
    scheduler = Scheduler(
        database=database,
        producer=producer,
        watch=watch,
        config=config,
        metrics=Metrics(service.registry),
        clock=monotonic_s,
    )
    async with nsq.connected(service, producer), aiohttp.ClientSession() as session:
        service.needs["database"] = database.is_open
        service.supervise(scheduler.run(), "rounds")
        service.supervise(watch_results(watch, nsq.lookup, session, monotonic_s), "watch of results")
        await service.stopping.wait()
        await service.cancel_tasks()


async def watch_results(
    watch: DrainWatch, lookup: Lookup, session: aiohttp.ClientSession, clock: MonotonicClock
) -> None:
    """Tells `watch` each time that every nsqd that answers has no result waiting; runs until cancelled."""
    while True:
        before_s = clock()  # what is true of the queue was true when it was asked, not when it answered
        reached = [nsqd for nsqd in await stats.depths(lookup, session) if nsqd.reached]
        depths = [nsqd.topics[topics.RESULTS.name].waiting for nsqd in reached if topics.RESULTS.name in nsqd.topics]
        if reached and not any(depths):
            watch.saw_empty(before_s)
        await asyncio.sleep(WATCH_EVERY_S)

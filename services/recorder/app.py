"""Wires the recorder: consumers of `commands` and `results`, the flush, and the pruning of what is kept a day."""

import asyncio
from functools import partial

import asyncpg
import structlog

from services.recorder import sql
from services.recorder.handlers import Recorder
from services.recorder.inbox import Inbox
from services.recorder.metrics import Metrics
from shared import topics
from shared.db import connect
from shared.db.metrics import DatabaseMetrics
from shared.db.single import SingleConnection
from shared.nsq.wiring import Wiring
from shared.service import Service

log = structlog.get_logger(__name__)

ROLE: connect.Role = "wordwatch_recorder"
MAX_IN_FLIGHT = 1000  # per topic: two flushes' worth, so that one gathers while the other runs
TOUCH_FOR_S = 600.0  # how long a database may be away before messages go back to nsqd
PARAMETERS = {
    "lock_timeout": "5s",
    "statement_timeout": "12s",
    "idle_in_transaction_session_timeout": "20s",
    # Plans are kept. One that was made while a table was empty would go on reading all of it when it has grown.
    "enable_seqscan": "off",
}
PRUNE_EVERY_S = 60.0
PRUNE_WITHIN_S = 30.0
STOP_CONSUMERS_S = 15.0


async def run(service: Service) -> None:
    """Runs until the service stops; what was taken is committed and finished, or handed back."""
    config = service.config
    url = service.database_url()
    await service.while_starting(connect.wait_for(url, role=ROLE, timeout_s=60))

    parameters = PARAMETERS | {"application_name": service.instance}
    database = SingleConnection(url, role=ROLE, parameters=parameters, metrics=DatabaseMetrics(service.registry))
    nsq = Wiring(config, instance=service.instance, registry=service.registry)
    producer = nsq.producer()
    inbox = Inbox()
    recorder = Recorder(
        inbox=inbox, producer=producer, database=database, config=config, metrics=Metrics(service.registry)
    )
    consumers = {
        topic.name: nsq.consumer(
            topic, inbox.put, max_in_flight=MAX_IN_FLIGHT, auto_finish=False, touch_for_s=TOUCH_FOR_S
        )
        for topic in (topics.COMMANDS, topics.RESULTS)
    }
    async with nsq.connected(service, producer):
        flushing = service.supervise(recorder.run(), "recorder")
        service.supervise(_prune(SingleConnection(url, role=ROLE, parameters=parameters)), "prune")
        running = [service.supervise(consumer.run(), f"consumer of {name}") for name, consumer in consumers.items()]
        service.needs["database"] = database.is_open
        service.needs |= {name: consumer.ready for name, consumer in consumers.items()}
        await service.stopping.wait()
        within_s = 0.0 if flushing.done() else STOP_CONSUMERS_S  # if it died, nobody will finish what is in hand
        await asyncio.gather(*(consumer.stop(within_s) for consumer in consumers.values()))
        await asyncio.gather(*running, return_exceptions=True)
        await service.cancel_tasks()


async def _prune(database: SingleConnection) -> None:
    """Deletes what is kept for a day, every minute; a failure is only a delay."""
    while True:
        await asyncio.sleep(PRUNE_EVERY_S)
        try:
            for statement in sql.PRUNE:
                while await database.run(partial(delete_slice, statement), timeout_s=PRUNE_WITHIN_S) == sql.MOST_PRUNED:
                    pass
        except (connect.DatabaseError, asyncpg.PostgresError, *connect.UNAVAILABLE) as error:
            log.warning("pruning failed", error=repr(error))
        finally:
            database.drop()


async def delete_slice(statement: str, connection: asyncpg.Connection) -> int:
    """Runs one statement of PRUNE once; returns how many rows it deleted."""
    done: str = await connection.execute(statement, sql.MOST_PRUNED)
    return int(done.removeprefix("DELETE "))

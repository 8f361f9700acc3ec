"""Wires the recorder: consumers of `commands` and `results`, the flush, batches, and the pruning of what is old."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import asyncpg
import structlog
from prometheus_client import CollectorRegistry

from services.recorder import sql
from services.recorder.batches import sql as batches_sql
from services.recorder.batches.handing_back import HandingBack
from services.recorder.batches.handlers import COMMIT_WITHIN_S, LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_S, BatchRecorder
from services.recorder.batches.worker import SLICE_WITHIN_S, JobWorker
from services.recorder.handlers import Recorder
from services.recorder.inbox import Inbox, sorted_by_lane, sorted_into
from services.recorder.metrics import Metrics
from services.recorder.persistence import Persistent
from services.recorder.pruning import SLICES_AT_ONCE, Unasked, sum_up
from shared import topics
from shared.db import connect
from shared.db.metrics import DatabaseMetrics
from shared.db.single import SingleConnection
from shared.nsq.message import Message
from shared.nsq.producer import Producer
from shared.nsq.wiring import Wiring
from shared.service import Service
from shared.settings import Settings

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
# What walks along an index stops at its LIMIT. Of a batch that has just come there are no statistics, and so the
# planner would rather fetch all of it and sort it.
IN_ORDER = {"enable_bitmapscan": "off"}
# After a flush, in times of what that took. Nobody waits for a line of a batch, and forty of them cost little more than
# ten: on two processors a batch went from 450 to 720 lines a second by it, and took less from everybody else.
REST = {"interactive": 0.0, "bulk": 3.0}
LATELY_S = {"interactive": 0.5, "bulk": 0.0}
"""So long after a flush jobs still make room: a check that a person waits for has two, and is fetched in between."""
PRUNE_EVERY_S = 60.0
PRUNE_WITHIN_S = 30.0
STOP_CONSUMERS_S = 15.0


async def run(service: Service) -> None:
    """Runs until the service stops; what was taken is committed and finished, or handed back."""
    config = service.config
    url = service.database_url()
    await service.while_starting(connect.wait_for(url, role=ROLE, timeout_s=60))

    parameters = PARAMETERS | {"application_name": service.instance}
    nsq = Wiring(config, instance=service.instance, registry=service.registry)
    producer = nsq.producer()
    metrics = Metrics(service.registry)
    lanes = _Lanes.of(url, parameters, producer=producer, config=config, metrics=metrics, registry=service.registry)
    batches = _Batches.of(url, parameters, producer=producer, config=config, metrics=metrics, is_busy=lanes.is_busy)
    consumers = {
        topic.name: nsq.consumer(topic, take, max_in_flight=MAX_IN_FLIGHT, auto_finish=False, touch_for_s=TOUCH_FOR_S)
        for topic, take in (
            (topics.COMMANDS, sorted_into(lanes.interactive, batches.inbox, batches.no_room)),
            (topics.RESULTS, sorted_by_lane(lanes.interactive, lanes.bulk)),
        )
    }
    async with nsq.connected(service, producer):
        working = [
            *(service.supervise(recorder.run(), f"recorder of {lane}") for lane, recorder in lanes.recorders.items()),
            service.supervise(batches.recorder.run(), "batches"),
            service.supervise(batches.jobs.run(), "jobs"),
        ]
        service.supervise(_prune(SingleConnection(url, role=ROLE, parameters=parameters)), "prune")
        running = [service.supervise(consumer.run(), f"consumer of {name}") for name, consumer in consumers.items()]
        service.needs["database"] = lanes.are_connected
        service.needs |= {name: consumer.ready for name, consumer in consumers.items()}
        await service.stopping.wait()
        died = any(task.done() for task in working)  # then nobody will finish what is in hand
        within_s = 0.0 if died else STOP_CONSUMERS_S
        await asyncio.gather(*(consumer.stop(within_s) for consumer in consumers.values()))
        await asyncio.gather(*running, return_exceptions=True)
        await service.cancel_tasks()


@dataclass(frozen=True, slots=True)
class _Lanes:
    """A recorder a lane, each with a connection: no person waits for a flush that is all about batches."""

    interactive: Inbox
    bulk: Inbox
    recorders: Mapping[str, Recorder]

    @classmethod
    def of(
        cls,
        url: str,
        parameters: Mapping[str, str],
        *,
        producer: Producer,
        config: Settings,
        metrics: Metrics,
        registry: CollectorRegistry,
    ) -> "_Lanes":
        inboxes = {"interactive": Inbox(), "bulk": Inbox()}
        measured = {"interactive": DatabaseMetrics(registry)}
        recorders = {
            lane: Recorder(
                inbox=inbox,
                producer=producer,
                database=SingleConnection(url, role=ROLE, parameters=parameters, metrics=measured.get(lane)),
                config=config,
                metrics=metrics,
                rest=REST[lane],
            )
            for lane, inbox in inboxes.items()
        }
        metrics.watch(
            inbox=lambda: sum(each.waiting() for each in recorders.values()),
            owed=lambda: sum(each.owed() for each in recorders.values()),
        )
        return cls(recorders=recorders, **inboxes)

    def is_busy(self) -> bool:
        return any(each.is_flushing(within_s=LATELY_S[lane]) for lane, each in self.recorders.items())

    def are_connected(self) -> bool:
        return all(each.is_connected() for each in self.recorders.values())


@dataclass(frozen=True, slots=True)
class _Batches:
    """What works on batches: on connections of its own, so that no flush waits for it."""

    inbox: Inbox
    no_room: Callable[[Message], Awaitable[None]]
    recorder: BatchRecorder
    jobs: JobWorker

    @classmethod
    def of(
        cls,
        url: str,
        parameters: Mapping[str, str],
        *,
        producer: Producer,
        config: Settings,
        metrics: Metrics,
        is_busy: Callable[[], bool],
    ) -> "_Batches":
        def connection(within_s: float, **other: str) -> Persistent:
            single = SingleConnection(url, role=ROLE, parameters={**parameters, **IN_ORDER, **other})
            return Persistent(single, within_s=within_s, on_retry=metrics.batch_retries.inc)

        inbox = Inbox()
        metrics.watch_batches(lambda: len(inbox))
        jobs = JobWorker(
            database=connection(SLICE_WITHIN_S),
            config=config,
            metrics=metrics,
            hears=lambda: recorder.hears(),  # noqa: PLW0108 - it is made below, as it wakes this one
            is_busy=is_busy,
        )
        handing_back = HandingBack(metrics.handed_back)
        recorder = BatchRecorder(
            inbox=inbox,
            producer=producer,
            database=connection(
                COMMIT_WITHIN_S, statement_timeout=f"{STATEMENT_TIMEOUT_S}s", lock_timeout=f"{LOCK_TIMEOUT_MS}ms"
            ),
            metrics=metrics,
            handing_back=handing_back,
            wake=jobs.wake,
        )
        return cls(inbox, lambda message: handing_back.hand_back(message, "crowded"), recorder, jobs)


async def _prune(database: SingleConnection) -> None:
    """Deletes what is kept for a day, sums up, and deletes questions that nobody asks, every minute.

    A failure is only a delay.
    """
    unasked = Unasked()
    while True:
        await asyncio.sleep(PRUNE_EVERY_S)
        try:
            for statement in (*sql.PRUNE, *batches_sql.PRUNE):
                while await database.run(partial(delete_slice, statement), timeout_s=PRUNE_WITHIN_S) == sql.MOST_PRUNED:
                    pass
            await database.run(sum_up, timeout_s=PRUNE_WITHIN_S)
            for _ in range(SLICES_AT_ONCE):
                if not await database.run(unasked.prune, timeout_s=PRUNE_WITHIN_S):
                    break
        except (connect.DatabaseError, asyncpg.PostgresError, *connect.UNAVAILABLE) as error:
            log.warning("pruning failed", error=repr(error))
        finally:
            database.drop()


async def delete_slice(statement: str, connection: asyncpg.Connection) -> int:
    """Runs one statement of PRUNE once; returns how many rows it deleted."""
    done: str = await connection.execute(statement, sql.MOST_PRUNED)
    return int(done.removeprefix("DELETE "))

"""Turns of jobs: one that fails again and again gives way to the others, for longer each time."""

import random
from typing import Final
from uuid import UUID

import asyncpg

from services.recorder.batches.jobs import Job, Slice
from services.recorder.batches.slices import do_slice
from shared.backoff import Backoff
from shared.settings import Settings

TRIES: Final = 3
"""Of a slice, in a row: a deadlock or a slow moment passes. What fails for good takes its 15 s each time."""
PUT_OFF_S, LONGEST_S = 120.0, 1_800.0
"""Pauses of a job, which double; what it fails by is likely to be there until somebody does something."""
MOST_KNOWN: Final = 1_000


class Turn:
    """The tries of one slice, whichever job it is of."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._failed: dict[UUID, int] = {}
        self._taken: Job | None = None
        self.blamed: Job | None = None
        """The job of the last try that came to one."""

    async def run(self, connection: asyncpg.Connection) -> tuple[Job, Slice] | None:
        """One try: as `do_slice`. Where PostgreSQL is away, a try does not even come here."""
        return await do_slice(connection, self._config, taken=self._take)

    def _take(self, job: Job) -> None:
        self._taken = job

    def may_go_on(self) -> bool:
        """Whether a try that has failed is to be repeated. Where it came to no job, no job is to blame."""
        job, self._taken = self._taken, None
        if job is None:
            return True
        self.blamed = job
        tries = self._failed[job.id] = self._failed.get(job.id, 0) + 1
        return tries < TRIES


class Setbacks:
    """For how long jobs are put off that have failed, as far as this process knows.

    Args:
        rng: spreads them.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._pauses: dict[UUID, Backoff] = {}

    def next_s(self, job: UUID) -> float:
        """The next pause of a job in seconds: longer each time, until it gets on."""
        if job not in self._pauses and len(self._pauses) >= MOST_KNOWN:
            del self._pauses[next(iter(self._pauses))]
        pauses = self._pauses.setdefault(job, Backoff(rng=self._rng, first_s=PUT_OFF_S, cap_s=LONGEST_S))
        return pauses.next_s()

    def is_over(self, job: UUID) -> None:
        """Forgets a job that gets on."""
        self._pauses.pop(job, None)

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from uuid import UUID, uuid4

import pytest

from services.gateway.waiting import (
    FEW_COMMANDS,
    MANY_COMMANDS,
    MAX_WAITING,
    PATIENCE_S,
    Found,
    TooManyWaiting,
    Waiting,
)
from shared.ids import new_id
from shared.messages import ChangedCheck, CommandOutcome, Recorded, Status


class Database:
    """Remembers what it is asked, and answers what it was told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[set[UUID], set[UUID]]] = []
        self.questions: asyncio.Queue[int] = asyncio.Queue()
        self.checks: dict[UUID, Status] = {}
        self.outcomes: list[CommandOutcome] = []
        self.down = False

    async def look_up(self, checks: Sequence[UUID], commands: Sequence[UUID]) -> Found:
        self.asked.append((set(checks), set(commands)))
        self.questions.put_nowait(len(self.asked))
        if self.down:
            raise ConnectionError("down")
        known = {one: self.checks[one] for one in checks if one in self.checks}
        return Found(known, [outcome for outcome in self.outcomes if outcome.id in commands])


def _waiting(database: Database, most: int = 10) -> Waiting:
    return Waiting(database.look_up, unavailable=ConnectionError, most=most, look_every_s=0.001)


async def _in_time(waited: asyncio.Task[None]) -> None:
    async with asyncio.timeout(5):
        await waited


@pytest.fixture
def database() -> Database:
    return Database()


async def test_a_hint_wakes_who_waits_for_the_check(database: Database) -> None:
    waiting = _waiting(database)
    check, other = new_id(), new_id()
    with waiting.interest(check) as ticket:
        waited = asyncio.create_task(ticket.final())
        for status in ("queued", "running", "done"):
            await asyncio.sleep(0)
            assert not waited.done()
            waiting.hint(
                Recorded(checks=(ChangedCheck(id=other, status="done"), ChangedCheck(id=check, status=status)))
            )
        await _in_time(waited)
    assert database.asked == []


async def test_a_hint_wakes_who_waits_for_the_command(database: Database) -> None:
    waiting = _waiting(database)
    check, command, holder = new_id(), new_id(), new_id()
    with waiting.interest(check, command) as ticket:
        waited = asyncio.create_task(ticket.settled())
        waiting.hint(Recorded(outcomes=(CommandOutcome(id=command, outcome="repeated", check_id=holder),)))
        await _in_time(waited)
        assert ticket.outcome is not None
        assert ticket.outcome.check_id == holder


async def test_news_of_a_check_say_nothing_about_a_command_alone(database: Database) -> None:
    waiting = _waiting(database)
    check, command = new_id(), new_id()
    with waiting.interest(command_id=command) as ticket:
        waiting.hint(Recorded(checks=(ChangedCheck(id=check, status="cancelled"),), deleted=(check,)))
        assert not ticket.is_settled
        waiting.hint(Recorded(outcomes=(CommandOutcome(id=command, outcome="applied", check_id=check),)))
        assert ticket.is_settled


async def test_a_hint_of_a_deletion_ends_the_waiting(database: Database) -> None:
    waiting = _waiting(database)
    check = new_id()
    with waiting.interest(check) as ticket:
        waited = asyncio.create_task(ticket.final())
        waiting.hint(Recorded(deleted=(new_id(), check)))
        await _in_time(waited)
        assert ticket.is_deleted
        assert not ticket.is_final


async def test_what_was_there_and_is_not_found_was_deleted(database: Database) -> None:
    waiting = _waiting(database)
    seen, told, new = new_id(), new_id(), new_id()
    with waiting.interest(seen) as first, waiting.interest(told) as second, waiting.interest(new, new_id()) as third:
        first.begin_again()
        waiting.hint(Recorded(checks=(ChangedCheck(id=told, status="queued"),)))
        waited = [asyncio.create_task(first.final()), asyncio.create_task(second.final())]
        running = asyncio.create_task(waiting.run())
        for each in waited:
            await _in_time(each)
        running.cancel()
        assert first.is_deleted
        assert second.is_deleted
        assert not third.is_deleted  # it is not there yet
        assert not third.is_settled


async def test_what_became_known_while_a_question_was_under_way_is_not_taken_for_deleted(database: Database) -> None:
    check = new_id()
    questions: asyncio.Queue[asyncio.Future[Found]] = asyncio.Queue()

    async def slow(checks: Sequence[UUID], commands: Sequence[UUID]) -> Found:
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        questions.put_nowait(answer)
        return await answer

    waiting = Waiting(slow, unavailable=ConnectionError, look_every_s=0.001)
    with waiting.interest(check, new_id()) as ticket:
        running = asyncio.create_task(waiting.run())
        first = await questions.get()
        waiting.hint(Recorded(checks=(ChangedCheck(id=check, status="queued"),)))
        first.set_result(Found({}, []))
        second = await questions.get()
        assert ticket.wants_check  # as it is not taken for deleted
        second.set_result(Found({}, []))
        await _in_time(asyncio.create_task(ticket.final()))
        assert ticket.is_deleted
        running.cancel()


async def test_an_old_final_state_can_be_put_aside(database: Database) -> None:
    waiting = _waiting(database)
    check = new_id()
    with waiting.interest(check) as ticket:
        waiting.hint(Recorded(checks=(ChangedCheck(id=check, status="failed"),)))
        ticket.begin_again()
        assert not ticket.is_final
        waiting.hint(Recorded(checks=(ChangedCheck(id=check, status="done"),)))
        await _in_time(asyncio.create_task(ticket.final()))


async def test_everything_is_looked_up_in_one_question_and_only_while_somebody_waits(database: Database) -> None:
    waiting = _waiting(database)
    running = asyncio.create_task(waiting.run())
    first, second, command = new_id(), new_id(), new_id()
    await asyncio.sleep(0.01)
    assert database.asked == []
    with waiting.interest(first), waiting.interest(second, command) as ticket:
        database.checks[first] = "queued"
        database.outcomes.append(CommandOutcome(id=command, outcome="expired"))
        await _in_time(asyncio.create_task(ticket.settled()))
    assert database.asked[0] == ({first, second}, {command})
    questions = len(database.asked)
    await asyncio.sleep(0.01)
    assert len(database.asked) <= questions + 1
    running.cancel()
    assert len(waiting) == 0


async def test_what_is_known_is_not_asked_again(database: Database) -> None:
    waiting = _waiting(database)
    final, settled, command = new_id(), new_id(), new_id()
    with waiting.interest(final), waiting.interest(settled, command):
        waiting.hint(
            Recorded(checks=(ChangedCheck(id=final, status="done"), ChangedCheck(id=settled, status="running")))
        )
        running = asyncio.create_task(waiting.run())
        await database.questions.get()
        running.cancel()
    assert database.asked[0] == ({settled}, set())


async def test_a_database_that_is_down_is_asked_again(database: Database) -> None:
    waiting = _waiting(database)
    running = asyncio.create_task(waiting.run())
    check = new_id()
    database.down = True
    with waiting.interest(check) as ticket:
        while await database.questions.get() < 3:
            pass
        database.down = False
        database.checks[check] = "failed"
        await _in_time(asyncio.create_task(ticket.final()))
    assert not running.done()
    running.cancel()


async def test_a_late_answer_does_not_undo_a_final_state(database: Database) -> None:
    waiting = _waiting(database)
    check = new_id()
    with waiting.interest(check) as ticket:
        for status in ("done", "running"):
            waiting.hint(Recorded(checks=(ChangedCheck(id=check, status=status),)))
        assert ticket.status == "done"


async def test_there_is_room_for_so_many(database: Database) -> None:
    waiting = _waiting(database, most=2)
    check = new_id()
    with waiting.interest(check), waiting.interest(check):
        assert len(waiting) == 2
        with pytest.raises(TooManyWaiting), waiting.interest(check):
            pytest.fail("there is no room")
    with waiting.interest(check):
        assert len(waiting) == 1


async def test_a_stop_ends_the_waiting_for_final_states_but_not_for_commands(database: Database) -> None:
    waiting = _waiting(database)
    with waiting.interest(new_id()) as before, waiting.interest(new_id(), new_id()) as submitting:
        final, settled = asyncio.create_task(before.final()), asyncio.create_task(submitting.settled())
        await asyncio.sleep(0)
        waiting.stop()
        await _in_time(final)
        assert not before.is_final
        with waiting.interest(new_id()) as after:
            await _in_time(asyncio.create_task(after.final()))
        assert not settled.done()
        settled.cancel()


def test_commands_that_would_wait_in_vain_are_refused_at_once() -> None:
    now_s = 100.0
    waiting = Waiting(_nothing, unavailable=LookupError, clock=lambda: now_s)
    with ExitStack() as stack:
        for _ in range(MANY_COMMANDS):
            stack.enter_context(waiting.interest(None, uuid4()))
        with pytest.raises(TooManyWaiting):
            stack.enter_context(waiting.interest(None, uuid4()))
        stack.enter_context(waiting.interest(None, uuid4(), goes_on=True))
        stack.enter_context(waiting.interest(uuid4()))  # waits for a check, which takes as long as it takes


class Till:
    """Requests that wait for their commands, by a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.waiting = Waiting(_nothing, unavailable=LookupError, clock=lambda: self.now_s)

    def serve(self, number: int, *, took_s: float = 0.0, settled: bool = True, goes_on: bool = False) -> None:
        """So many come in together, and go after a time, with or without an answer."""
        commands = [uuid4() for _ in range(number)]
        with ExitStack() as stack:
            for command in commands:
                stack.enter_context(self.waiting.interest(None, command, goes_on=goes_on))
            self.now_s += took_s
            if settled:
                outcomes = tuple(CommandOutcome(id=command, outcome="applied") for command in commands)
                self.waiting.hint(Recorded(outcomes=outcomes))

    def let_in(self) -> int:
        """How many more may come in now."""
        with ExitStack() as stack:
            for number in range(MAX_WAITING):
                try:
                    stack.enter_context(self.waiting.interest(None, uuid4()))
                except TooManyWaiting:
                    return number
        return MAX_WAITING


def test_the_faster_commands_are_settled_the_more_may_wait() -> None:
    till = Till()
    till.serve(1_000)
    assert till.let_in() == 3_000
    till.now_s += 1
    assert till.let_in() == 3_000  # this second has only begun
    till.serve(10)
    till.now_s += 1
    assert till.let_in() == MANY_COMMANDS


@pytest.mark.parametrize("settled", [True, False])
def test_once_they_are_late_no_more_may_wait_than_are_settled_in_time(settled: bool) -> None:
    till = Till()
    till.serve(1, took_s=PATIENCE_S + 0.1, settled=settled)
    assert till.let_in() == FEW_COMMANDS
    till.serve(90, took_s=1.5)
    assert till.let_in() == 3 * 90, "at the pace of late, and in time only as the others were told"
    till.now_s += 2
    till.serve(1, took_s=0.9)
    assert till.let_in() == MANY_COMMANDS


def test_who_goes_early_or_goes_on_says_nothing_about_that() -> None:
    till = Till()
    till.serve(1, took_s=PATIENCE_S + 0.1, settled=False)
    till.serve(1, took_s=0.1, settled=False)
    assert till.let_in() == FEW_COMMANDS
    till.serve(1, took_s=0.1)
    till.now_s += 2
    assert till.let_in() == MANY_COMMANDS
    till.serve(1, took_s=PATIENCE_S + 0.1, goes_on=True)
    assert till.let_in() == MANY_COMMANDS


async def _nothing(_checks: Sequence[UUID], _commands: Sequence[UUID]) -> Found:
    return Found({}, ())

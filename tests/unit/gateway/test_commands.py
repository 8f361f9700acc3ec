import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.gateway.commands import Commands, Refused, Submitted
from services.gateway.dispatching import Dispatcher
from services.gateway.requests import check_request
from services.gateway.sending import NotCommitted, Sender
from services.gateway.waiting import Found, Waiting
from shared import topics
from shared.messages import (
    CancelCheck,
    ChangedCheck,
    Command,
    CommandOutcome,
    DeleteCheck,
    Recorded,
    RetryCheck,
    SubmitCheck,
    decode_command,
)
from shared.nsq.errors import NoConnection

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
COMMAND, CHECK, HOLDER = UUID(int=1), UUID(int=2), UUID(int=3)
ASKED = check_request({"url": "example.org:81/x", "words": ["a"], "label": "l"})


class Connection:
    """The receipt of a publish; the connection drops when told to."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    async def wait_lost(self) -> None:
        await self.lost.wait()


class Publisher:
    """Keeps what is published, and does to it what it was told to."""

    def __init__(self, then: Callable[[int], None] = lambda count: None) -> None:
        self.sent: list[Command] = []
        self.sets: list[int] = []
        self.counts: asyncio.Queue[int] = asyncio.Queue()
        self.connections: list[Connection] = []
        self.failing = 0
        self.then = then

    async def publish_set(self, topic: str, bodies: Sequence[bytes], *, timeout_s: float | None = None) -> Connection:
        assert topic == topics.COMMANDS.name
        assert timeout_s is not None
        if self.failing:
            self.failing -= 1
            raise NoConnection("none")
        self.sets.append(len(bodies))
        self.sent += map(decode_command, bodies)
        self.connections.append(Connection())
        self.counts.put_nowait(len(self.sent))
        self.then(len(self.sent))
        return self.connections[-1]


async def _nothing(checks: object, commands: object) -> Found:
    return Found({}, [])


class Parts:
    """Commands whose recorder is the test."""

    def __init__(self, *, give_up_s: float = 5.0, repeat_s: float = 5.0) -> None:
        self.waiting = Waiting(_nothing, unavailable=ConnectionError)
        self.publisher = Publisher()
        self._ids: Iterator[UUID] = (UUID(int=number) for number in itertools.count(1))
        dispatcher = Dispatcher(self.publisher, repeat_s=repeat_s)
        self.dispatching = asyncio.create_task(dispatcher.run())
        sender = Sender(dispatcher, self.waiting, give_up_s=give_up_s)
        self.commands = Commands(sender, clock=lambda: NOW, new_id=lambda: next(self._ids))

    def commit_at(self, count: int, hint: Recorded | None = None) -> None:
        """Answers the `count`-th publish: by committing the check, or with the given hint."""
        news = hint or Recorded(checks=(ChangedCheck(id=CHECK, status="queued"),))
        self.publisher.then = lambda sent: self.waiting.hint(news) if sent == count else None

    async def submit(self, key: str | None = None) -> Submitted:
        async with asyncio.timeout(10):
            return await self.commands.submit(ASKED, key=key, trace="t")

    async def change(self, name: str) -> None:
        async with asyncio.timeout(10):
            await getattr(self.commands, name)(CHECK, trace="t")


async def test_the_command_says_all_that_was_asked() -> None:
    parts = Parts()
    parts.commit_at(1)
    assert await parts.submit(key="k") == Submitted(CHECK, repeated=False)
    (command,) = parts.publisher.sent
    assert isinstance(command, SubmitCheck)
    assert (command.id, command.check_id, command.trace, command.label) == (COMMAND, CHECK, "t", "l")
    assert (command.url, command.host) == ("http://example.org:81/x", "example.org:81")
    assert command.question == ASKED.question
    assert command.expires_at == NOW + timedelta(seconds=60)
    assert command.idempotency is not None
    assert (command.idempotency.key, command.idempotency.digest) == ("k", ASKED.digest())
    assert len(parts.waiting) == 0


async def test_a_repeat_is_the_check_that_holds_the_key() -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(outcomes=(CommandOutcome(id=COMMAND, outcome="repeated", check_id=HOLDER),)))
    assert await parts.submit(key="k") == Submitted(HOLDER, repeated=True)


@pytest.mark.parametrize("outcome", ["idempotency_key_reused", "refused", "deleted", "something_new"])
async def test_a_refusal_is_passed_on(outcome: str) -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(outcomes=(CommandOutcome(id=COMMAND, outcome=outcome),)))
    with pytest.raises(Refused) as caught:
        await parts.submit(key="k")
    assert caught.value.outcome == outcome


async def test_an_expired_command_was_not_committed() -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(outcomes=(CommandOutcome(id=COMMAND, outcome="expired"),)))
    with pytest.raises(NotCommitted) as caught:
        await parts.submit()
    assert caught.value.check_id == CHECK


async def test_the_very_same_command_is_repeated_once_when_nothing_is_heard() -> None:
    parts = Parts(give_up_s=0.3, repeat_s=0.02)
    with pytest.raises(NotCommitted) as caught:
        await parts.submit()
    assert caught.value.check_id == CHECK
    first, second = parts.publisher.sent
    assert first == second
    assert len(parts.waiting) == 0


async def test_the_repeat_may_be_what_is_heard_of() -> None:
    parts = Parts(repeat_s=0.01)
    parts.commit_at(2)
    assert (await parts.submit()).check_id == CHECK


async def test_it_is_repeated_at_once_when_its_connection_drops() -> None:
    parts = Parts()
    parts.commit_at(3)
    submitting = asyncio.create_task(parts.submit())
    for count in (1, 2):
        assert await parts.publisher.counts.get() == count
        parts.publisher.connections[-1].lost.set()
    assert (await submitting).check_id == CHECK
    assert len({command.id for command in parts.publisher.sent}) == 1


async def test_publishing_is_tried_again_until_the_deadline() -> None:
    parts = Parts()
    parts.publisher.failing = 1
    parts.commit_at(1)
    assert (await parts.submit()).check_id == CHECK
    assert len(parts.publisher.sent) == 1


async def test_what_the_caller_gives_up_leaves_nothing_behind() -> None:
    parts = Parts()
    submitting = asyncio.create_task(parts.submit())
    await parts.publisher.counts.get()
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert len(parts.waiting) == 0
    await asyncio.sleep(0)  # in which what was called off ends
    assert asyncio.all_tasks() == {asyncio.current_task(), parts.dispatching}


async def test_commands_of_one_moment_go_together_and_are_repeated_as_far_as_they_are_wanted() -> None:
    parts = Parts(give_up_s=1.0)
    submitting = [asyncio.create_task(parts.submit()) for _ in range(150)]
    assert await parts.publisher.counts.get() == 100
    assert await parts.publisher.counts.get() == 150
    assert parts.publisher.sets == [100, 50]
    first, *others = (command for command in parts.publisher.sent if isinstance(command, SubmitCheck))
    parts.waiting.hint(Recorded(checks=tuple(ChangedCheck(id=each.check_id, status="queued") for each in others)))
    for done in submitting[1:]:
        await done
    for connection in parts.publisher.connections:
        connection.lost.set()
    assert await parts.publisher.counts.get() == 151
    assert parts.publisher.sent[-1] == first
    with pytest.raises(NotCommitted):
        await submitting[0]


async def test_what_is_called_off_before_it_was_sent_is_not_sent() -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(checks=(ChangedCheck(id=UUID(int=4), status="queued"),)))
    submitting = asyncio.create_task(parts.submit())
    await asyncio.sleep(0)  # until it waits
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    await parts.submit()
    assert len(parts.publisher.sent) == 1


@pytest.mark.parametrize(
    ("name", "kind", "outcome"),
    [("cancel", CancelCheck, "applied"), ("retry", RetryCheck, "applied"), ("delete", DeleteCheck, "deleted")],
)
async def test_a_change_of_a_check_ends_with_the_outcome_of_its_command(
    name: str, kind: type[Command], outcome: str
) -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(outcomes=(CommandOutcome(id=COMMAND, outcome=outcome, check_id=CHECK),)))
    await parts.change(name)
    assert parts.publisher.sent == [
        kind(id=COMMAND, check_id=CHECK, trace="t", expires_at=NOW + timedelta(seconds=60))  # type: ignore[call-arg]
    ]
    assert len(parts.waiting) == 0


@pytest.mark.parametrize("name", ["cancel", "retry", "delete"])
@pytest.mark.parametrize("outcome", ["not_found", "already_finished", "not_retryable", "refused", "something_new"])
async def test_a_change_that_was_decided_against_says_why(name: str, outcome: str) -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(outcomes=(CommandOutcome(id=COMMAND, outcome=outcome),)))
    with pytest.raises(Refused) as caught:
        await parts.change(name)
    assert caught.value.outcome == outcome


@pytest.mark.parametrize("name", ["cancel", "retry", "delete"])
async def test_rule_2_the_state_of_the_check_is_no_outcome_of_a_change(name: str) -> None:
    parts = Parts(give_up_s=0.1, repeat_s=0.05)
    parts.commit_at(1, Recorded(checks=(ChangedCheck(id=CHECK, status="cancelled"),), deleted=(CHECK,)))
    with pytest.raises(NotCommitted) as caught:
        await parts.change(name)
    assert caught.value.check_id == CHECK
    first, second = parts.publisher.sent
    assert first == second


async def test_an_expired_change_was_not_committed() -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(outcomes=(CommandOutcome(id=COMMAND, outcome="expired"),)))
    with pytest.raises(NotCommitted):
        await parts.change("cancel")


async def test_a_check_that_is_deleted_at_once_was_committed_all_the_same() -> None:
    parts = Parts()
    parts.commit_at(1, Recorded(deleted=(CHECK,)))
    assert await parts.submit() == Submitted(CHECK, repeated=False)

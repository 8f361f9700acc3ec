"""What a commit tells the log."""

from datetime import timedelta

from services.recorder import faults, story
from services.recorder.items import Asked
from services.recorder.ledger import Ledger
from services.recorder.lifecycle import NEW, Change
from services.recorder.story import About
from shared.ids import new_id
from shared.messages import CancelCheck, CommandOutcome, Idempotency, Question, RetryCheck
from tests import factories


def test_a_submission_is_told_with_its_check_and_its_request() -> None:
    command = factories.submit(trace="asked")
    (line,) = story.of_commands([command], [], {})
    assert (line.kind, line.bulk) == ("submit_check", False)
    assert line.fields == {
        "kind": "submit_check",
        "outcome": "applied",
        "check": str(command.check_id),
        "command": str(command.id),
        "trace": "asked",
    }


def test_a_repeat_leads_to_the_check_that_was_made_before() -> None:
    command, there = factories.submit(trace="again"), new_id()
    (line,) = story.of_commands([command], [CommandOutcome(id=command.id, outcome="repeated", check_id=there)], {})
    assert (line.fields["check"], line.fields["outcome"]) == (str(there), "repeated")


def test_a_command_about_a_check_joins_two_requests() -> None:
    check_id, expires = new_id(), factories.now()
    cancel = CancelCheck(id=new_id(), expires_at=expires, check_id=check_id, trace="second")
    retry = RetryCheck(id=new_id(), expires_at=expires, check_id=check_id, trace="first")
    outcomes = [CommandOutcome(id=cancel.id, outcome="already_finished", check_id=check_id)]
    told = story.of_commands([cancel, retry], outcomes, {check_id: About("first", bulk=False)})
    assert [(line.fields["trace"], line.fields.get("check_trace")) for line in told] == [
        ("second", "first"),
        ("first", None),
    ]
    assert [line.fields["outcome"] for line in told] == ["already_finished", "applied"]


def test_an_attempt_is_told_with_what_became_of_its_check() -> None:
    check, again, bulk = factories.claimed(), factories.claimed(), factories.claimed()
    due = factories.now() + timedelta(seconds=2)
    ledger = Ledger({}, changes={check.check_id: Change(NEW, due_at=due), bulk.check_id: Change(NEW)})
    known = {each.check_id: About("t", bulk=each is bulk) for each in (check, again, bulk)}
    finished = [factories.failed(check), factories.counted(again)]
    told = story.of_attempts(finished, [factories.ref(bulk)], ledger, known)
    assert [line.fields.get("status") for line in told] == ["queued", None, "queued"]
    assert [line.fields["outcome"] for line in told] == ["connect_failed", "counted", "late"]
    assert [line.bulk for line in told] == [False, False, True]
    assert told[0].fields["due_at"] == due.isoformat()
    assert all(line.fields["trace"] == "t" for line in told)
    assert told[1].event != told[0].event, "what changed nothing says so"


def test_what_callers_have_written_is_no_name() -> None:
    command = factories.submit(
        label="private",
        url="http://example.org/private",
        question=Question(words=("private",)),
        idempotency=Idempotency(key="private", digest="private"),
        trace="t",
    )
    names = faults.names(Asked(command))
    assert names == {
        "kind": "submit_check",
        "check": str(command.check_id),
        "command": str(command.id),
        "trace": "t",
    }
    report = factories.counted(factories.claimed())
    assert faults.names(report)["attempt"] == 1
    assert "private" not in repr(command.idempotency).replace("digest='private'", "")

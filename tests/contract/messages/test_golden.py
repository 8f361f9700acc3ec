import msgspec
import pytest

from shared import messages, topics
from tests.contract.messages.make import FOLDER, GOLDEN


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_released_message_is_still_understood(name: str) -> None:
    expected, decode = GOLDEN[name]
    assert decode((FOLDER / f"{name}.json").read_bytes()) == expected


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_message_goes_out_as_it_was_released(name: str) -> None:
    message, decode = GOLDEN[name]
    assert messages.encode(message) + b"\n" == (FOLDER / f"{name}.json").read_bytes()
    assert decode(messages.encode(message)) == message


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_fields_of_a_newer_release_are_ignored(name: str) -> None:
    message, decode = GOLDEN[name]
    fields = msgspec.json.decode(messages.encode(message)) | {"of_a_newer_release": [1]}
    assert decode(msgspec.json.encode(fields)) == message


def test_every_kind_of_message_has_a_golden_file() -> None:
    def leaves(kind: type) -> set[type]:
        below: list[type] = kind.__subclasses__()
        return {kind} if not below else set().union(*map(leaves, below))

    parts = {messages.Question, messages.Idempotency, messages.AttemptError, messages.Snippet, messages.Counted}
    parts |= {messages.PageFacts, messages.AttemptRef, messages.ChangedCheck, messages.CommandOutcome}
    parts |= {messages.ClockReading, messages.Record, messages.Filter}
    assert {type(message) for message, _ in GOLDEN.values()} == leaves(messages.Message) - parts


def test_a_full_check_fits_into_a_message() -> None:
    words = tuple(f"{n:064}" for n in range(1000))  # 64 kB of words, and all snippets that a result may have
    snippets: dict[str, tuple[messages.Snippet, ...]] = {
        word: (messages.Snippet(before="", match="x" * 64, after=""),) for word in words
    }
    counted = messages.Counted(counts=dict.fromkeys(words, 10**9), total=10**12, rule_version=1, snippets=snippets)
    report = GOLDEN["finished_counted.1"][0]
    assert len(messages.encode(msgspec.structs.replace(report, counted=counted))) < topics.MAX_MESSAGE_BYTES / 4

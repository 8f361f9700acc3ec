"""The judges of chaos see what they are there for."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.acceptance.pages import Site
from tests.acceptance.victims import Death
from tests.chaos.plan import FORMATS, Format, Plan, Upload
from tests.chaos.stage import Round
from tests.chaos.uploads import differences
from tests.chaos.verdict import Verdict


def verdict(**changed: Any) -> Verdict:
    """One with all bars reached, but for what is changed."""
    done = Round("nsqd", [Death("nsqd", 0.0, 50, 3)], [1.0], [15.0], [40.0], extra_fetches=3)
    names = {field: changed.pop(field) for field in list(changed) if field in Round.__dataclass_fields__}
    return replace(Verdict((1, 1), (0, 0), [replace(done, **names)]), **changed)


def test_all_bars_are_reached_on_the_bar() -> None:
    assert verdict().missed == []
    assert list(verdict().lines())[-1] == "verdict: all bars reached"


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"lost": ["a line"]}, "lost"),
        ({"wrong": ["a count"]}, "wrong"),
        ({"double": ["a key"]}, "double"),
        ({"faults": ["500"]}, "faults"),
        ({"audit": ["a rule"]}, "audit"),
        ({"extra_fetches": 4}, "fetched again (nsqd)"),
        ({"extra_fetches": -1}, "fetched again (nsqd)"),
        ({"new_ones_s": [15.1]}, "new checks"),
        ({"older_ones_s": [0.0, 40.1]}, "older checks"),
        ({"deaths": [Death("nsqd", 0.0, 49, 3)]}, "under way"),
    ],
)
def test_a_missed_bar_is_named(changed: dict[str, Any], missed: str) -> None:
    assert verdict(**changed).missed == [missed]
    assert list(verdict(**changed).lines())[-1] == f"verdict: missed: {missed}"


def an_upload(kind: Format) -> Upload:
    return Plan(random.Random(1), Site(port=8000)).upload(40, kind=kind)


def shown(upload: Upload) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The batch and its lines as the API has to show them."""
    batch = {
        "total": len(upload.lines),
        "done": upload.count("done"),
        "failed": upload.count("failed"),
        "duplicates": upload.count("duplicate"),
        "invalid": upload.count("invalid"),
        "status": "finished",
        "percent": 100,
        "label": upload.key,
    } | dict.fromkeys(("queued", "running", "cancelled"), 0)
    lines = [
        {
            "line": line.line,
            "text": line.text,
            "state": line.state,
            "reason": "It is none." if line.state == "invalid" else None,
            "check_id": None if line.number is None else f"check of {line.number}",
        }
        for line in upload.lines
    ]
    return batch, lines


@pytest.mark.parametrize("kind", FORMATS)
def test_an_upload_has_each_kind_of_line_where_its_body_has_it(kind: Format) -> None:
    upload = an_upload(kind)
    assert {line.state for line in upload.lines} == {"done", "failed", "duplicate", "invalid"}
    assert differences(upload, *shown(upload)) == []
    if kind == "json":
        rows = [item["url"] for item in json.loads(upload.body)["items"]]
    else:
        rows = upload.body.decode().splitlines()
    assert [rows[line.line - 1] for line in upload.lines] == [line.text for line in upload.lines]


@pytest.mark.parametrize(
    "changed", [{"line": 1_000}, {"text": "another"}, {"state": "cancelled"}, {"check_id": "another"}, {"reason": "?"}]
)
def test_a_line_that_is_not_what_was_sent_is_seen(changed: dict[str, Any]) -> None:
    upload = an_upload("csv")
    batch, lines = shown(upload)
    place = next(n for n, line in enumerate(upload.lines) if line.state == "done")
    lines[place] |= changed
    assert differences(upload, batch, lines) != []


def test_a_missing_line_and_a_sum_that_is_off_are_seen() -> None:
    upload = an_upload("ndjson")
    batch, lines = shown(upload)
    assert differences(upload, batch, lines[:-1]) == [f"{len(lines) - 1} lines, not {len(lines)}"]
    assert differences(upload, batch | {"done": 0}, lines) == [f"done 0, not {upload.count('done')}"]


def test_the_same_seed_makes_the_same_uploads() -> None:
    assert an_upload("text") == an_upload("text")

from typing import Any

from deploy.compose.accounts import judge, share

RIGHT = {"python": 5}


def check(check_id: str, **other: Any) -> dict[str, Any]:
    return {"id": check_id, "status": "done", "counts": RIGHT, "error": None, **other}


def test_what_is_done_with_the_right_counts_is_well() -> None:
    verdict = judge({"a": RIGHT, "b": RIGHT}, [check("a"), check("b")])

    assert verdict.done == {"a", "b"}
    assert verdict.well


def test_each_way_to_be_lost_is_told() -> None:
    found = [
        check("wrong", counts={"python": 4}),
        check("failed", status="failed", counts=None, error={"code": "read_timeout"}),
        check("open", status="queued", counts=None),
    ]

    verdict = judge(dict.fromkeys(["wrong", "failed", "open", "gone"], RIGHT), found)

    assert verdict.done == frozenset()
    assert verdict.lost == {
        "wrong": "counted {'python': 4}, right is {'python': 5}",
        "failed": "failed read_timeout",
        "open": "queued",
        "gone": "gone",
    }
    assert not verdict.well


def test_a_check_that_nobody_asked_for_is_told() -> None:
    verdict = judge({"a": RIGHT}, [check("a"), check("twin")])

    assert verdict.surplus == {"twin"}
    assert not verdict.well


def test_each_fetcher_has_its_share_also_one_that_did_nothing() -> None:
    doers = ["fetcher-aaaa-7", "fetcher-aaaa-9", "fetcher-gone-7"]

    shares = share(doers, {"aaaa": "fetcher-1", "bbbb": "fetcher-2"})

    assert shares == {"fetcher-1": 2, "fetcher-2": 0, "fetcher-gone-7": 1}

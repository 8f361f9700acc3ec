"""Rule 16: an MPUB is bounded in number and in bytes."""

import pytest

from shared.nsq.producer import split

MIB = 2**20


@pytest.mark.parametrize(
    ("sizes", "sets"),
    [
        pytest.param([10] * 250, [100, 100, 50], id="in number"),
        pytest.param([MIB // 4] * 5, [4, 1], id="in bytes"),
        pytest.param([10, 2 * MIB, 10], [1, 1, 1], id="what is larger goes alone"),
        pytest.param([MIB - 4, 4, 1], [2, 1], id="to the byte"),
    ],
)
def test_rule_16_an_mpub_holds_at_most_100_messages_and_1_mib(sizes: list[int], sets: list[int]) -> None:
    bodies = [b"x" * size for size in sizes]
    found = list(split(bodies))
    assert [len(bodies) for bodies in found] == sets
    assert [body for bodies in found for body in bodies] == bodies

import pytest

from bench.figures import percentile
from bench.table import Row, markdown, ratio

MORE = Row("pages/s", 9.0, "9.0×", 8, 12)
LESS = Row("wait, ms", 12.0, "12 ms", 10, 6, "less")


@pytest.mark.parametrize(
    ("row", "verdict", "half"),
    [
        (MORE, "met", True),
        (Row("pages/s", 12.0, "", 8, 12), "beyond", True),
        (Row("pages/s", 7.9, "", 8, 12), "MISSED", True),
        (Row("pages/s", 3.9, "", 8, 12), "MISSED", False),
        (LESS, "MISSED", True),
        (Row("wait, ms", 10.0, "", 10, 6, "less"), "met", True),
        (Row("wait, ms", 6.0, "", 10, 6, "less"), "beyond", True),
        (Row("wait, ms", 20.1, "", 10, None, "less"), "MISSED", False),
        (Row("wait, ms", 20.1, "", 10, None, "less", known=11), "MISSED", True),
        (Row("pages/s", 3.9, "", 8, 12, known=7), "MISSED", True),
    ],
)
def test_a_result_is_held_against_its_bar_and_against_half_of_it(row: Row, verdict: str, half: bool) -> None:
    assert (row.verdict, row.meets_half()) == (verdict, half)


def test_a_ratio_is_that_of_the_medians() -> None:
    assert ratio([8, 100, 9], [3, 1, 50]) == 3


def test_the_table_says_which_way_is_better() -> None:
    assert markdown([MORE, LESS]).splitlines()[2:] == [
        "| pages/s | 9.0× | ≥ 8 | ≥ 12 | met |",
        "| wait, ms | 12 ms | ≤ 10 | ≤ 6 | MISSED |",
    ]


@pytest.mark.parametrize(("share", "value"), [(0.5, 3), (0.95, 4), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], share) == value

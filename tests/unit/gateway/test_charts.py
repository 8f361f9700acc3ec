import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from services.gateway.charts import HEIGHT, WIDTH, Chart, draw, ticks

BEGIN = datetime(2026, 11, 22, 9, 50, tzinfo=UTC)


def chart(*areas: tuple[float, ...], label: str = "Checks", labelled_min: int = 30) -> Chart:
    times = tuple(BEGIN + timedelta(minutes=number) for number in range(len(areas[0])))
    return Chart(label=label, times=times, areas=areas, labelled_min=labelled_min)


def texts(drawing: str, axis: str) -> list[str]:
    (part,) = re.findall(rf'<g class="axis {axis}\b[^"]*">(.*?)</g></g>', drawing)
    return re.findall(r"<text[^>]*>([^<]+)</text>", part)


def tops(drawing: str, number: int) -> list[float]:
    """The heights of the points of an area, from its first drawn path."""
    (path,) = re.findall(rf'<g class="series serie-\d color-{number}"><path d="([^"]+)"', drawing)
    return [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def test_nothing_in_it_is_what_the_policy_forbids() -> None:
    drawing = draw(chart((1.0, 5.0, 3.0), (0.0, 1.0, 0.0)))
    assert not re.search(
        r"<style|<script|\sstyle=|\son[a-z]+=|<!--|xlink|\sid=|http(?!://www\.w3\.org/2000/svg)", drawing
    )
    assert drawing.startswith("<svg ")
    assert f'viewBox="0 0 {WIDTH} {HEIGHT}"' in drawing


def test_it_says_what_it_shows() -> None:
    drawing = draw(chart((1.0,) * 3, label='More than "2.25" & <less>'))
    assert 'role="img" aria-label="More than &quot;2.25&quot; &amp; &lt;less&gt;"' in drawing
    assert "<title" not in drawing


def test_axes_name_round_times_and_numbers() -> None:
    drawing = draw(chart(tuple(float(n) for n in range(100)), tuple([1500.0] * 100)))
    assert texts(drawing, "x") == ["10:00", "10:30", "11:00"]
    assert texts(drawing, "y") == ["0", "500", "1,000", "1,500", "2,000"]


def test_areas_stand_upon_each_other() -> None:
    drawing = draw(chart((1.0, 2.0, 3.0), (1.0, 1.0, 1.0)))
    low, high = tops(drawing, 0), tops(drawing, 1)
    assert min(high) < min(low), "y grows downwards"
    assert draw(chart((1.0, 2.0, 3.0), (1.0, 1.0, 1.0))) == drawing


@pytest.mark.parametrize("areas", [((0.0,) * 180,), ((0.0,) * 180, (0.0,) * 180)])
def test_where_nothing_was_there_is_a_line_at_zero(areas: tuple[tuple[float, ...], ...]) -> None:
    drawing = draw(chart(*areas))
    assert texts(drawing, "y") == ["0", "1"]
    assert len(set(tops(drawing, 0))) == 1


def test_it_is_small() -> None:
    areas = tuple(tuple(float(n * 7919 % 997) for n in range(180)) for _ in range(3))
    assert len(draw(chart(*areas))) < 15_000


@pytest.mark.parametrize("most", [0, 0.4, 1, 3, 5, 5.1, 6, 10, 11, 49, 50, 51, 99, 1234, 15_000, 9_999_999])
def test_ticks_are_few_round_and_reach_far_enough(most: float) -> None:
    marks = list(ticks(most))
    assert 2 <= len(marks) <= 6
    assert marks[0] == 0
    assert marks[-2] < max(most, 1) <= marks[-1]
    (step,) = {high - low for low, high in pairwise(marks)}
    assert str(step).rstrip("0") in {"1", "2", "5"}

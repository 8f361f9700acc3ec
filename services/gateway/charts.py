"""Charts of numbers over time, drawn by pygal as SVG that our style sheet colours. Pure.

pygal brings styles and scripts along in each drawing, which no page of ours lets in: they are taken out again, and so
is what only they would use.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import pygal
from markupsafe import Markup
from pygal.style import Style

# pygal looks for plugins of maps at every import, in a way that Python 3.11 warns of and 3.12 does not know any more.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

WIDTH: Final = 420
HEIGHT: Final = 210
"""In units of the drawing, which are about a pixel: two charts stand beside each other, or one on a phone."""
_FONT_SIZE: Final = 14  # the largest that the style sheet has for it: so much room is left
_MOST_TICKS: Final = 5
_KEPT: Final = 16
_LONG: Final = re.compile(r"-?\d+\.\d+")
_DROPPED: Final = frozenset({"defs", "title"})
_DROPPED_CLASSES: Final = frozenset({"background", "overlay", "text-overlay", "tooltip-overlay", "titles"})


@dataclass(frozen=True, slots=True)
class Chart:
    """Areas over time, one upon the other."""

    label: str
    """What it shows, for those who do not see it."""
    times: tuple[datetime, ...]
    areas: tuple[tuple[float, ...], ...]
    """From below; each has a value for each time. In the drawing they have the classes `color-0`, `color-1`, …"""
    labelled_min: int
    """Times that are so many minutes apart are named, in UTC."""


@lru_cache(maxsize=_KEPT)  # it takes 10 ms and more, and changes once a minute
def draw(chart: Chart) -> Markup:
    """The chart as an `<svg>` without any style of its own."""
    marks = ticks(max((sum(values) for values in zip(*chart.areas, strict=True)), default=0))
    names = [f"{at:%H:%M}" for at in chart.times]
    drawing = pygal.StackedLine(
        width=WIDTH,
        height=HEIGHT,
        style=Style(label_font_size=_FONT_SIZE, major_label_font_size=_FONT_SIZE),
        fill=True,
        show_dots=False,
        show_legend=False,
        js=(),
        spacing=6,
        margin=4,
        margin_right=_FONT_SIZE,
        disable_xml_declaration=True,
        range=(0, marks[-1]),
        y_labels=marks,
        value_formatter=lambda value: f"{value:,.0f}",
        x_labels=names,
        x_labels_major=[name for at, name in zip(chart.times, names, strict=True) if _is_named(at, chart.labelled_min)],
        show_minor_x_labels=False,
        truncate_label=-1,
    )
    for number, values in enumerate(chart.areas):
        drawing.add(str(number), values)
    drawing.add_xml_filter(_bare)
    drawing.add_xml_filter(lambda root: _named(root, chart.label))
    return Markup(drawing.render(is_unicode=True))  # noqa: S704 - pygal has escaped it


def ticks(most: float) -> Sequence[int]:
    """Round numbers from 0 to the first that is not less than `most`: six at most, and at least 0 and 1."""
    step = 1
    while step * _MOST_TICKS < most:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return range(0, max(-(-int(-(-most // 1)) // step), 1) * step + 1, step)


def _is_named(at: datetime, every_min: int) -> bool:
    return (at.hour * 60 + at.minute) % every_min == 0


def _bare(root: Any) -> Any:
    """The drawing without what the policy forbids, or nobody sees: to a tenth of a pixel."""
    for parent in list(root.iter()):
        for name, value in parent.items():
            parent.set(name, _LONG.sub(_shortened, value))
        for child in list(parent):
            if not isinstance(child.tag, str) or _is_dropped(child.tag, child.get("class", "").split()):
                parent.remove(child)
    return root


def _is_dropped(tag: str, classes: Iterable[str]) -> bool:
    return tag.rpartition("}")[2] in _DROPPED or not _DROPPED_CLASSES.isdisjoint(classes)


def _named(root: Any, label: str) -> Any:
    root.attrib.pop("id", None)  # a random one
    root.set("role", "img")
    root.set("aria-label", label)
    return root


def _shortened(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")

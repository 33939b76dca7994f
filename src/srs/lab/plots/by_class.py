"""A mark for each class: a row with its name where they are few, a curve of dots in order where they are many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from srs.lab.plots.chart import SERIES, SHAPES, Cell, Chart, Classes, Column, series_scale
from srs.lab.plots.labels import with_halo

NAMED_MAX: Final = 30
"""So many classes have a row with their name each."""

_TICKS_MAX: Final = 8
# Two lines that are nearer, as a share of the axis, have no room for a name between them.
_LINES_APART: Final = 0.08
# So many classes at each end of the curve are in the way of the end's label.
_NEIGHBOURS: Final = 15
_ROW_HEIGHT, _FRAME_HEIGHT, _CURVE_HEIGHT, _LEGEND_HEIGHT = 20, 62, 334, 24


@dataclass(frozen=True)
class Marks:
    """One series: ``middle`` has a value for each class; ``low`` and ``high``, where given, end its bar."""

    label: str
    middle: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Scale:
    """The axis of the values: its title, with the unit, its format (d3), and how values lie on it.

    ``lines`` are at most two values to compare with, and what they are.
    """

    title: str
    format: str = ",~r"
    ends: tuple[float, float] | None = None
    ticks: Sequence[float] = ()
    is_log: bool = False
    lines: Sequence[tuple[float, str]] = ()

    def channel(self, field: str) -> dict[str, Any]:
        """The encoding of a field on this axis."""
        scale: dict[str, Any] = {"type": "log", "nice": False} if self.is_log else {"zero": True}
        if self.ends is not None:
            scale["domain"] = list(self.ends)
        ticks = {"values": list(self.ticks)} if self.ticks else {"tickCount": 5}
        axis = {"format": self.format, "grid": True, **ticks}
        return {"field": field, "type": "quantitative", "title": self.title, "scale": scale, "axis": axis}


def log_scale(title: str, series: Sequence[Marks]) -> Scale:
    """A logarithmic axis that just holds these series, with ticks at 1, 2 and 5 (or 1) of each power of ten."""
    values = [value for one in series for part in (one.low, one.middle, one.high) for value in part if value > 0]
    low, high = min(values, default=1) / 1.15, max(values, default=1) * 1.15
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    ticks = [step * power for power in powers for step in (1, 2, 5) if low <= step * power <= high]
    if len(ticks) > _TICKS_MAX:
        ticks = [power for power in powers if low <= power <= high]
    return Scale(f"{title} (log scale)", ends=(low, high), ticks=ticks if len(ticks) > 1 else (), is_log=True)


@dataclass(frozen=True)
class Told:
    """What is written around the marks: the chart's name, title and words, and the table's columns and cells.

    ``cells`` has for each class the values of its row beside its name.
    """

    name: str
    title: str
    alt: str
    columns: Sequence[Column]
    cells: Sequence[Sequence[Cell]]


def by_class(told: Told, scale: Scale, series: Sequence[Marks], numbers: Sequence[int], classes: Classes) -> Chart:
    """The chart of these series for the classes ``numbers``, ordered by the middle of the first series."""
    order = sorted(range(len(numbers)), key=lambda index: (series[0].middle[index], -numbers[index]))
    names = [classes.name(numbers[index]) for index in order]
    values = [
        {"place": place, "series": one.label, **_ends(one, index)}
        for one in series
        for place, index in enumerate(order, 1)
    ]
    are_named = len(numbers) <= NAMED_MAX
    view = _rows(values, names, scale, series) if are_named else _curve(values, names, scale, series, classes.nouns)
    height = _FRAME_HEIGHT + _ROW_HEIGHT * len(numbers) if are_named else _CURVE_HEIGHT
    rows = [(name, *told.cells[index]) for index, name in zip(order, names, strict=True)]
    return Chart(
        name=told.name,
        title=told.title,
        alt=told.alt,
        spec=view,
        columns=(Column(classes.noun.capitalize()), *told.columns),
        rows=tuple(reversed(rows)),
        height=height + (_LEGEND_HEIGHT if len(series) > 1 else 0),
    )


def _ends(one: Marks, index: int) -> dict[str, float]:
    middle = one.middle[index]
    low, high = (ends[index] if ends else middle for ends in (one.low, one.high))
    return {"low": low, "middle": middle, "high": high}


def _rows(values: list[dict[str, Any]], names: Sequence[str], scale: Scale, series: Sequence[Marks]) -> dict[str, Any]:
    """Values to the right, classes one below the other, the largest on top."""
    values = [{**one, "class": names[one["place"] - 1]} for one in values]
    of_class: dict[str, Any] = {"field": "class", "type": "nominal", "title": None}
    of_class["sort"] = {"field": "place", "op": "max", "order": "descending"}
    of_class["axis"] = {"grid": True, "ticks": False, "domain": False, "labelLimit": 130, "labelPadding": 8}
    return _view(values, scale, series, ("x", "y"), of_class)


def _curve(
    values: list[dict[str, Any]], names: Sequence[str], scale: Scale, series: Sequence[Marks], nouns: str
) -> dict[str, Any]:
    """Values upwards, classes from the smallest to the largest, with the names of these two alone."""
    last = len(names)
    of_class: dict[str, Any] = {"field": "place", "type": "quantitative"}
    of_class["title"] = f"{last} {nouns}, from least to most"
    # Between axis and title there is room for the name of the smallest.
    of_class["axis"] = {"labels": False, "ticks": False, "grid": False, "titlePadding": 20}
    of_class["scale"] = {"domain": [0, last + 1], "nice": False}
    view = _view(values, scale, series, ("y", "x"), of_class)
    first = [one for one in values if one["series"] == series[0].label]
    for end in (1, last):
        near = [one for one in first if abs(one["place"] - end) < _NEIGHBOURS]
        clear = max(one["high"] for one in near) if end == last else min(one["low"] for one in near)
        [at_end] = [one for one in first if one["place"] == end]
        level = sum(one["middle"] == at_end["middle"] for one in first) - 1
        label = names[end - 1] + (f" and {level} more" if level else "")
        place = {"place": end, "clear": clear, "class": label}
        view["layer"].append(_end_label(place, scale, of_class, is_last=end == last))
    return view


def _end_label(one: dict[str, Any], scale: Scale, of_class: dict[str, Any], *, is_last: bool) -> dict[str, Any]:
    text = {
        "type": "text",
        "align": "right" if is_last else "left",
        "dy": -9 if is_last else 13,
        "dx": 4 if is_last else -4,
    }
    encoding = {"x": of_class, "y": scale.channel("clear"), "text": {"field": "class"}}
    return {"data": {"values": [one]}, "mark": text, "encoding": encoding}


def _view(
    values: list[dict[str, Any]],
    scale: Scale,
    series: Sequence[Marks],
    channels: tuple[str, str],
    of_class: dict[str, Any],
) -> dict[str, Any]:
    """Bars from low to high, and a mark in the middle; ``channels`` are those of the values and of the classes."""
    along, across = channels
    labels = [one.label for one in series]
    legend = {"legend": {"title": None}} if len(series) > 1 else {"legend": None}
    look = {
        channel: {"field": "series", "type": "nominal", "scale": series_scale(labels, range_), **legend}
        for channel, range_ in (("color", SERIES), ("shape", SHAPES))
    }
    bar = {across: of_class, along: scale.channel("low"), f"{along}2": {"field": "high"}, "color": look["color"]}
    middle = {across: of_class, along: scale.channel("middle"), **look}
    layers: list[dict[str, Any]] = [
        *_lines(scale, along),
        {"mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.75}, "encoding": bar},
        {"mark": {"type": "point"}, "encoding": middle},
    ]
    return {"data": {"values": values}, "layer": layers}


def _lines(scale: Scale, along: str) -> list[dict[str, Any]]:
    """The lines, however near to each other: the upper name of two is a row above the other's, or has both in one."""
    low, high = scale.ends or (0.0, 1.0)
    lines = sorted(scale.lines, reverse=True)
    where = {along: scale.channel("value")}
    names = [(value, what, 0) for value, what in lines]
    if along == "x":
        names = [(value, what, 14 * row) for row, (value, what) in enumerate(lines)]
    elif len(lines) == 2 and lines[0][0] - lines[1][0] < _LINES_APART * (high - low):
        names = [(lines[0][0], ", ".join(what for _, what in lines), 0)]
    rules = [
        {
            "data": {"values": [{"value": value}]},
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": "@muted"},
            "encoding": where,
        }
        for value, _ in lines
    ]
    for value, what, raised in names:
        # Near the right edge a name would be cut off.
        is_right = along == "x" and value > (low + high) / 2
        text: dict[str, Any] = {"type": "text"}
        text |= {"align": "right" if is_right else "left", "baseline": "bottom", "color": "@muted"}
        text |= {"y": 0, "dy": -3 - raised} if along == "x" else {"x": 4, "dy": -3}
        told = with_halo(text, {**where, "text": {"field": "what"}})
        rules += [{"data": {"values": [{"value": value, "what": what}]}, **layer} for layer in told]
    return rules

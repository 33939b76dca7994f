"""Pictures of a class and of a team's way: from numbers that the leaderboard shows, too."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from srs.lab.plots.chart import SERIES, SHAPES, Cell, Chart, Column, series_scale

ROUNDS_SHOWN: Final = 8
_ROW_HEIGHT, _FRAME_HEIGHT = 26, 74


@dataclass(frozen=True, slots=True)
class Scores:
    """A team's numbers of one round; ``None`` without an accepted defence."""

    utility: float | None
    attack: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class ClassOfRound:
    """All teams' numbers of one round; ``label`` is what the round is called in the picture."""

    label: str
    scores: Sequence[Scores]


@dataclass(frozen=True, slots=True)
class Step:
    """Where a team stands in one round: its numbers, and its place among ``teams`` by each."""

    label: str
    teams: int
    scores: Scores
    by_total: int
    by_utility: int | None
    by_attack: int


def class_as_a_whole(rounds: Sequence[ClassOfRound]) -> Chart:
    """How utility, attack and total lie over the teams, round after round; of many rounds the newest.

    At least one of them has a total.
    """
    rows = [
        (f"{one.label}: {what}", _known(one.scores, name), tenth)
        for what, name, tenth in (("utility", "utility", 1), ("attack", "attack", 1), ("total / 10", "total", 10))
        for one in rounds[-ROUNDS_SHOWN:]
    ]
    rows = [(label, values, tenth) for label, values, tenth in rows if values]
    table = [
        (label.removesuffix(" / 10"), len(values), min(values), *_quartiles(values), max(values))
        for label, values, _ in rows
    ]
    label, values, _ = rows[-1]
    newest = f" in the last {ROUNDS_SHOWN} rounds" if len(rounds) > ROUNDS_SHOWN else ""
    return Chart(
        name="class",
        title=f"The class as a whole{newest}: each team a tick, the median a diamond, the middle half a bar",
        alt=f"Points of all teams by round. {label.removesuffix(' / 10')}: median {statistics.median(values):.2f}, "
        f"from {min(values):.2f} to {max(values):.2f}.",
        spec={"layer": _class_layers(rows)},
        columns=(
            Column("Round and number"),
            Column("Teams", 0),
            *(Column(title, 2) for title in ("Lowest", "Lower quartile", "Median", "Upper quartile", "Highest")),
        ),
        rows=tuple(table),
        height=_FRAME_HEIGHT + _ROW_HEIGHT * len(rows),
    )


def _class_layers(rows: Sequence[tuple[str, list[float], int]]) -> list[dict[str, Any]]:
    """For each row a tick for each value, the middle half as a bar, and the median."""
    # Teams that are nearer to each other than half a pixel share a tick.
    ticks = [
        {"row": label, "value": value}
        for label, values, tenth in rows
        for value in sorted({round(value / tenth, 2) for value in values})
    ]
    boxes = [
        {"row": label, **dict(zip(("low", "median", "high"), (end / tenth for end in _quartiles(values)), strict=True))}
        for label, values, tenth in rows
    ]
    y = {
        "field": "row",
        "type": "nominal",
        "title": None,
        "sort": [label for label, _, _ in rows],
        "axis": {"labelLimit": 170},
    }
    x: dict[str, Any] = {"type": "quantitative", "title": "Points", "scale": {"domain": [0, 10]}}
    x["axis"] = {"grid": True, "tickCount": 5}
    tick = {"type": "tick", "color": "@muted", "thickness": 1.5, "size": 12, "opacity": 0.7}
    bar = {"type": "rule", "strokeWidth": 3, "color": SERIES[0]}
    diamond = {"type": "point", "size": 80, "color": SERIES[0], "shape": "diamond"}
    from_to = {"x": {**x, "field": "low"}, "x2": {"field": "high"}}
    return [
        {"data": {"values": ticks}, "mark": tick, "encoding": {"y": y, "x": {**x, "field": "value"}}},
        {"data": {"values": boxes}, "mark": bar, "encoding": {"y": y, **from_to}},
        {"data": {"values": boxes}, "mark": diamond, "encoding": {"y": y, "x": {**x, "field": "median"}}},
    ]


def _known(scores: Iterable[Scores], name: str) -> list[float]:
    return [value for one in scores if (value := getattr(one, name)) is not None]


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """With linear interpolation, as ``numpy.quantile``; of one value that value."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def way(steps: Sequence[Step]) -> Chart:
    """A team's places through the rounds: by total, by utility, by attack. At least one round."""
    labels = ("by total", "by utility", "by attack")
    values = [
        {"round": step.label, "place": place, "series": label}
        for step in steps
        for label, place in zip(labels, (step.by_total, step.by_utility, step.by_attack), strict=True)
        if place is not None
    ]
    most = max(step.teams for step in steps)
    x = {
        "field": "round",
        "type": "ordinal",
        "title": None,
        "sort": [step.label for step in steps],
        "axis": {"labelAngle": 0},
    }
    y: dict[str, Any] = {"field": "place", "type": "quantitative", "title": "Place (1 is the best)"}
    y |= {
        "scale": {"domain": [most + 0.4, 0.6], "nice": False, "zero": False},
        "axis": {"values": _whole(most), "format": "d"},
    }
    places = ", ".join(f"{step.label}: place {step.by_total} of {step.teams}" for step in steps)
    return Chart(
        name="way",
        title="Its way through the rounds",
        alt=f"Places of the team among all teams by total, by utility and by attack. By total: {places}.",
        spec={"data": {"values": values}, "layer": _way_layers(labels, {"x": x, "y": y})},
        columns=(
            Column("Round"),
            Column("Teams", 0),
            Column("Place", 0),
            Column("Total", 2),
            Column("Place by utility", 0),
            Column("Utility", 2),
            Column("Place by attack", 0),
            Column("Attack", 2),
        ),
        rows=tuple(_row(step) for step in steps),
        height=280,
    )


def _way_layers(labels: Sequence[str], where: dict[str, Any]) -> list[dict[str, Any]]:
    """A line and its marks for each label; of those that lie on each other the wider are seen below the narrower."""
    nominal = {"field": "series", "type": "nominal", "legend": {"title": None}}
    color = {"color": {**nominal, "scale": series_scale(labels, SERIES)}}
    shape = {"shape": {**nominal, "scale": series_scale(labels, SHAPES)}}
    layers: list[dict[str, Any]] = []
    for label, width, size in zip(labels, (6.5, 3.5, 1.5), (300, 140, 60), strict=True):
        one = {"transform": [{"filter": {"field": "series", "equal": label}}]}
        layers.append({**one, "mark": {"type": "line", "strokeWidth": width}, "encoding": where | color})
        layers.append({**one, "mark": {"type": "point", "size": size}, "encoding": where | color | shape})
    return layers


def _row(step: Step) -> tuple[Cell, ...]:
    of = step.scores
    return (step.label, step.teams, step.by_total, of.total, step.by_utility, of.utility, step.by_attack, of.attack)


def _whole(most: int) -> list[int]:
    """At most about ten places to write at the axis, the first and the last among them."""
    step = max(1, -(-most // 10))
    return sorted({1, most, *range(step, most - step // 2, step)})

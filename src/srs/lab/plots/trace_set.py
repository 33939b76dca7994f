"""Charts of a trace set, from its profile (``srs.judging.profile``)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from srs.judging.profile import Example, Profile, Quartiles
from srs.lab.plots.by_class import Marks, Scale, Told, by_class, log_scale
from srs.lab.plots.chart import (
    BAND,
    DASHES,
    SERIES,
    Chart,
    Classes,
    Column,
    Spec,
    bytes_in_words,
    seconds_in_words,
    series_scale,
    shortened,
)
from srs.traces.report import counted

_DIRECTIONS: Final = ("received", "sent")
_SECONDS: Final = "seconds since the trace began"
# How much of a trace's lane its packets take; the rest is for its heading.
_LANE_SHARE: Final = 0.68
_NAME_MAX: Final = 22


def trace_set_charts(profile: Profile, classes: Classes, before: Profile | None = None) -> list[Chart]:
    """Every chart of a trace set; ``before`` is that of the earlier one to compare with."""
    comparison = [before_and_after(before, profile, classes)] if before else []
    own = [volume_by_class, duration_by_class]
    return [
        *(chart(profile, classes) for chart in own),
        cumulative(profile),
        *comparison,
        packets(profile, classes),
    ]


def volume_by_class(profile: Profile, classes: Classes) -> Chart:
    """Bytes received and sent in a trace of each class: medians and quartiles."""
    series = [_marks(label, of, 1000) for label, of in zip(_DIRECTIONS, (profile.received, profile.sent), strict=True)]
    least, most = _extremes(profile, profile.received, classes)
    alt = (
        f"The median volume received in a trace goes from {bytes_in_words(min(profile.received.median))} ({least}) to "
        f"{bytes_in_words(max(profile.received.median))} ({most}); sent, from "
        f"{bytes_in_words(min(profile.sent.median))} to {bytes_in_words(max(profile.sent.median))}."
    )
    told = Told(
        "volume-by-class",
        f"Volume by {classes.noun}: median and middle half of its traces",
        alt,
        *_quartile_table(series, "kB", 1),
    )
    return by_class(told, log_scale("kB in a trace", series), series, profile.classes, classes)


def duration_by_class(profile: Profile, classes: Classes) -> Chart:
    """Seconds that a trace of each class takes: medians and quartiles."""
    series = [_marks("duration", profile.duration_s, 1)]
    least, most = _extremes(profile, profile.duration_s, classes)
    alt = (
        f"The median duration of a trace goes from {seconds_in_words(min(profile.duration_s.median))} ({least}) to "
        f"{seconds_in_words(max(profile.duration_s.median))} ({most})."
    )
    told = Told(
        "duration-by-class",
        f"Duration by {classes.noun}: median and middle half of its traces",
        alt,
        *_quartile_table(series, "s", 2),
    )
    return by_class(told, Scale("seconds"), series, profile.classes, classes)


def _marks(label: str, of: Quartiles, unit: float) -> Marks:
    return Marks(label, *([value / unit for value in part] for part in (of.median, of.low, of.high)))


def _extremes(profile: Profile, of: Quartiles, classes: Classes) -> tuple[str, str]:
    ordered = sorted(zip(of.median, profile.classes, strict=True))
    return classes.name(ordered[0][1]), classes.name(ordered[-1][1])


def _quartile_table(series: Sequence[Marks], unit: str, decimals: int) -> tuple[list[Column], list[list[float]]]:
    parts = [("median", "middle"), ("lower quartile", "low"), ("upper quartile", "high")]
    columns = [Column(f"{one.label.capitalize()}, {what}, {unit}", decimals) for one in series for what, _ in parts]
    cells = zip(*(getattr(one, part) for one in series for _, part in parts), strict=True)
    return columns, [list(row) for row in cells]


def cumulative(profile: Profile) -> Chart:
    """How much a trace has received and sent until each moment: median and middle half of all traces."""
    parts = dict(zip(_DIRECTIONS, (profile.grid_received, profile.grid_sent), strict=True))
    values = [row for label, of in parts.items() for row in _over_time(profile, of, label)]
    half_at = {label: _half_at(profile.grid_s, of.median) for label, of in parts.items()}
    last = profile.grid_s[-1]
    received, sent = (bytes_in_words(of.median[-1]) for of in parts.values())
    alt = (
        f"After {seconds_in_words(last)} the median trace has received about {received} and sent about {sent}; half of "
        f"what it receives is there after {seconds_in_words(half_at['received'])}."
    )
    look = {"color": _scaled(_DIRECTIONS, SERIES), "strokeDash": _scaled(_DIRECTIONS, DASHES)}
    for one in look.values():
        one["legend"] = None
    band = {**_time_and_volume("low"), "y2": {"field": "high"}, "fill": look["color"], "stroke": look["color"]}
    ends = [_end_of_line(row, max(row["high"] for row in values)) for row in values if row["second"] == last]
    return Chart(
        name="cumulative",
        title="Volume over time",
        alt=alt,
        spec={
            "data": {"values": values},
            "layer": [
                {"mark": BAND, "encoding": band},
                {"mark": {"type": "line"}, "encoding": {**_time_and_volume("median"), **look}},
                {
                    "data": {"values": ends},
                    "mark": {"type": "text", "align": "right", "dy": -9, "dx": -2},
                    "encoding": {**_time_and_volume("at"), "text": {"field": "what"}},
                },
            ],
        },
        columns=(
            Column("Second", 2),
            *(
                Column(f"{label.capitalize()}, {what}, kB", 1)
                for label in _DIRECTIONS
                for what in ("median", "lower quartile", "upper quartile")
            ),
        ),
        rows=tuple(_time_rows(profile, list(parts.values()))),
    )


def _over_time(profile: Profile, of: Quartiles, label: str) -> list[dict[str, Any]]:
    columns = zip(profile.grid_s, of.low, of.median, of.high, strict=True)
    return [
        {"second": second, "low": low / 1000, "median": median / 1000, "high": high / 1000, "series": label}
        for second, low, median, high in columns
    ]


def _end_of_line(row: dict[str, Any], highest: float) -> dict[str, Any]:
    """What a line says at its end: above it, or above its band where that is narrow."""
    is_narrow = row["high"] - row["median"] < 0.1 * highest
    what = f"{row['series']}: {bytes_in_words(1000 * row['median'])}"
    return {"second": row["second"], "at": row["high" if is_narrow else "median"], "what": what}


def _half_at(grid_s: Sequence[float], median: Sequence[float]) -> float:
    return next(second for second, value in zip(grid_s, median, strict=True) if value >= median[-1] / 2)


def _scaled(labels: Sequence[str], range_: Sequence[Any]) -> dict[str, Any]:
    return {"field": "series", "type": "nominal", "scale": series_scale(labels, range_), "legend": {"title": None}}


def _time_and_volume(field: str) -> dict[str, Any]:
    return {
        "x": {"field": "second", "type": "quantitative", "title": _SECONDS, "scale": {"nice": False}},
        "y": {"field": field, "type": "quantitative", "title": "kB so far in a trace", "axis": {"tickCount": 5}},
    }


def _time_rows(profile: Profile, parts: Sequence[Quartiles]) -> list[tuple[float, ...]]:
    columns = [column for of in parts for column in (of.median, of.low, of.high)]
    return [(second, *(value / 1000 for value in row)) for second, *row in zip(profile.grid_s, *columns, strict=True)]


def before_and_after(before: Profile, after: Profile, classes: Classes) -> Chart:
    """The cumulative curves of two trace sets, the earlier one dashed; the table has what a trace costs in each."""
    pairs = {"received now": (after, "grid_received"), "sent now": (after, "grid_sent")}
    pairs |= {"received before": (before, "grid_received"), "sent before": (before, "grid_sent")}
    values = [row for label, (of, part) in pairs.items() for row in _over_time(of, getattr(of, part), label)]
    costs = _costs(before, after)
    words = {name: f"{then} before and {now} now" for name, (then, now) in _costs_in_words(costs).items()}
    alt = (
        "Before is the team's accepted defence that was received before this one. In the median over all "
        f"{classes.nouns} a trace received {words['received']}, sent {words['sent']}, and took {words['duration']}."
    )
    colours, dashes = (SERIES[0], SERIES[1], SERIES[0], SERIES[1]), (DASHES[0], DASHES[0], DASHES[1], DASHES[1])
    look = {"color": _scaled(list(pairs), colours), "strokeDash": _scaled(list(pairs), dashes)}
    for one in look.values():
        one["legend"] = {"title": None, "columns": 2, "symbolSize": 300}
    return Chart(
        name="before-and-after",
        title="The defence before, and this one",
        alt=alt,
        spec={
            "data": {"values": values},
            "mark": {"type": "line"},
            "encoding": {**_time_and_volume("median"), **look},
        },
        columns=(
            Column(f"Median over all {classes.nouns}"),
            Column("Before", 2),
            Column("Now", 2),
            Column("Now / before", 3),
        ),
        rows=tuple(
            (f"{name.capitalize()}, {unit}", then, now, now / then if then else None)
            for (name, unit), (then, now) in costs.items()
        ),
        height=350,
    )


def _costs(before: Profile, after: Profile) -> Mapping[tuple[str, str], tuple[float, float]]:
    """The median over the classes of their medians: kB, kB and seconds."""
    return {
        (label, unit): tuple(statistics.median(getattr(one, field).median) / by for one in (before, after))
        for label, unit, field, by in (
            ("received", "kB", "received", 1000),
            ("sent", "kB", "sent", 1000),
            ("duration", "s", "duration_s", 1),
        )
    }


def _costs_in_words(costs: Mapping[tuple[str, str], tuple[float, float]]) -> dict[str, tuple[str, str]]:
    show = {"kB": lambda value: bytes_in_words(1000 * value), "s": seconds_in_words}
    return {name: (show[unit](then), show[unit](now)) for (name, unit), (then, now) in costs.items()}


def packets(profile: Profile, classes: Classes) -> Chart:
    """A few traces as their packets: a line for each, up for sent and down for received, as long as it is large."""
    names = ", ".join(classes.name(one.class_number) for one in profile.examples)
    counts = [one.packets for one in profile.examples]
    lasts = [one.time_s[-1] for one in profile.examples]
    return Chart(
        name="packets",
        title="A few traces, packet by packet",
        alt=(
            f"Traces of {names}: {min(counts)} to {max(counts)} packets within {seconds_in_words(min(lasts))} to "
            f"{seconds_in_words(max(lasts))}; sent packets point up, received ones down."
        ),
        spec=_packet_lines(profile.examples, classes),
        columns=(
            Column(f"Trace of {classes.noun}"),
            Column("Packets", 0),
            Column("Shown", 0),
            Column("Received, kB", 1),
            Column("Sent, kB", 1),
            Column("Duration, s", 2),
        ),
        rows=tuple(_example_row(one, classes) for one in profile.examples),
        height=90 + 66 * len(profile.examples),
    )


def _packet_lines(examples: Sequence[Example], classes: Classes) -> Spec:
    """Each trace in a lane of its own, one below the other, with its heading."""
    sizes = [size for one in examples for size in one.size_bytes]
    by_size = _LANE_SHARE / (max(*sizes, 0) - min(*sizes, 0))
    up, down = max(*sizes, 0) * by_size, -min(*sizes, 0) * by_size
    lanes = list(enumerate(examples))
    # One line for each trace and direction, there and back for each packet: a third of the bytes of a mark for each.
    values = [
        {"second": second, "at": -lane + height, "lane": lane, "series": _DIRECTIONS[size > 0]}
        for lane, one in lanes
        for second, size in zip(one.time_s, one.size_bytes, strict=True)
        for height in (0, round(by_size * size, 3), 0)
    ]
    heads = [{"second": 0, "at": -lane + up + 0.03, "head": _head(one, classes)} for lane, one in lanes]
    colour = {"field": "series", "type": "nominal", "scale": series_scale(_DIRECTIONS, SERIES)}
    domain = {"domain": [-len(lanes) + 1 - down - 0.1, 1 - down], "nice": False}
    where = {
        "x": {"field": "second", "type": "quantitative", "title": _SECONDS, "scale": {"nice": False}},
        "y": {"field": "at", "type": "quantitative", "axis": None, "scale": domain},
    }
    lines = {
        **where,
        "detail": {"field": "lane"},
        "order": {"value": None},
        "color": {**colour, "legend": {"title": None, "values": ["sent", "received"]}},
    }
    return {
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "line", "strokeWidth": 1, "strokeJoin": "bevel"},
                "encoding": lines,
            },
            {
                "data": {"values": heads},
                "mark": {"type": "text", "align": "left", "baseline": "bottom"},
                "encoding": {**where, "text": {"field": "head"}},
            },
        ]
    }


def _head(one: Example, classes: Classes) -> str:
    """Says also how many packets are drawn, where not all are."""
    drawn = f", {len(one.time_s)} drawn" if len(one.time_s) < one.packets else ""
    volume = bytes_in_words(one.received_bytes + one.sent_bytes)
    return f"{shortened(classes.name(one.class_number), _NAME_MAX)}: {counted(one.packets, 'packet')}{drawn}, {volume}"


def _example_row(one: Example, classes: Classes) -> tuple[str | float, ...]:
    drawn, name = len(one.time_s), classes.name(one.class_number)
    return (name, one.packets, drawn, one.received_bytes / 1000, one.sent_bytes / 1000, one.time_s[-1])

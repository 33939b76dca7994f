"""Charts of a trace set: the numbers in their tables, and that they can be drawn."""

from __future__ import annotations

import dataclasses
import statistics

import numpy as np
import pytest

from srs.judging.profile import profile
from srs.lab.plots.by_class import NAMED_MAX
from srs.lab.plots.chart import Chart, Classes
from srs.lab.plots.trace_set import (
    before_and_after,
    cumulative,
    duration_by_class,
    packets,
    trace_set_charts,
    volume_by_class,
)
from worlds.pictures import small_profile, trace_set

FOUR = Classes("page", ["news", "mail", "maps", "wiki"])


def numbered(count: int) -> Classes:
    return Classes("cell", [f"cell {number}" for number in range(1, count + 1)])


def values_of(chart: Chart, layer: int) -> list[dict[str, object]]:
    view = chart.spec["layer"][layer]
    data = view.get("data") or chart.spec["data"]
    return list(data["values"])


def test_volume_by_class_has_the_quartiles_of_each_class() -> None:
    """Six numbers for each class, computed anew from its traces, the class with the largest median first."""
    traces = trace_set(4, repetitions=6)
    chart = volume_by_class(profile(traces), FOUR)
    assert [column.title for column in chart.columns[:3]] == [
        "Page",
        "Received, median, kB",
        "Received, lower quartile, kB",
    ]
    expected = {}
    for number, name in enumerate(FOUR.names, 1):
        of_class = traces.class_of_trace == number
        quartiles = [np.quantile(of[of_class], [0.5, 0.25, 0.75]) for of in (traces.volume_in, traces.volume_out)]
        expected[name] = np.concatenate(quartiles) / 1000
    assert {row[0] for row in chart.rows} == set(expected)
    for name, *cells in chart.rows:
        assert cells == pytest.approx(expected[name], abs=1e-3)
    medians = [row[1] for row in chart.rows]
    assert medians == sorted(medians, reverse=True)


def test_duration_by_class_names_the_ends() -> None:
    traces = trace_set(4, repetitions=6)
    chart = duration_by_class(profile(traces), FOUR)
    medians = {
        name: float(np.median(traces.duration_s[traces.class_of_trace == number]))
        for number, name in enumerate(FOUR.names, 1)
    }
    shortest, longest = (end(medians, key=medians.__getitem__) for end in (min, max))
    assert f"({shortest})" in chart.alt
    assert f"({longest})" in chart.alt
    assert {row[0]: row[1] for row in chart.rows} == pytest.approx(medians, abs=1e-3)


def test_few_classes_have_a_row_each_and_many_are_a_curve() -> None:
    few, many = NAMED_MAX, NAMED_MAX + 1
    rows = volume_by_class(small_profile(few), numbered(few))
    curve = volume_by_class(small_profile(many), numbered(many))
    assert rows.spec["layer"][1]["encoding"]["y"]["field"] == "class"
    assert curve.spec["layer"][1]["encoding"]["x"]["field"] == "place"
    first, last = (values_of(curve, layer)[0]["class"] for layer in (-2, -1))
    assert (curve.rows[-1][0], curve.rows[0][0]) == (first, last)
    assert len(rows.rows) == few
    assert rows.height > 20 * few


def test_classes_at_one_end_are_counted() -> None:
    """Where several classes share the largest value, the label says how many."""
    level = small_profile(NAMED_MAX + 1)
    level = dataclasses.replace(level, duration_s=dataclasses.replace(level.duration_s, median=[2.0] * (NAMED_MAX + 1)))
    chart = duration_by_class(level, numbered(NAMED_MAX + 1))
    assert str(values_of(chart, -1)[0]["class"]).endswith(f" and {NAMED_MAX} more")


def test_cumulative_ends_with_what_a_trace_moves() -> None:
    traces = trace_set(4, repetitions=6)
    of = profile(traces)
    chart = cumulative(of)
    assert len(chart.rows) == len(of.grid_s)
    assert chart.rows[-1] == pytest.approx(
        [
            of.grid_s[-1],
            *(
                value / 1000
                for part in (of.grid_received, of.grid_sent)
                for value in (part.median[-1], part.low[-1], part.high[-1])
            ),
        ]
    )
    half = next(
        second
        for second, value in zip(of.grid_s, of.grid_received.median, strict=True)
        if value * 2 >= of.grid_received.median[-1]
    )
    assert f"{half:.3g} s" in chart.alt


def test_before_and_after_compares_what_a_median_trace_costs() -> None:
    before, after = small_profile(seed=1), small_profile(seed=2)
    chart = before_and_after(before, after, FOUR)
    for row, field, unit in zip(chart.rows, ("received", "sent", "duration_s"), (1000, 1000, 1), strict=True):
        then, now = (statistics.median(getattr(one, field).median) / unit for one in (before, after))
        assert row[1:] == pytest.approx((then, now, now / then))
    assert {one["series"] for one in chart.spec["data"]["values"]} == {
        "received now",
        "sent now",
        "received before",
        "sent before",
    }


def test_packets_are_drawn_up_and_down() -> None:
    of = small_profile()
    chart = packets(of, FOUR)
    drawn = values_of(chart, 0)
    assert len(drawn) == 3 * sum(len(one.time_s) for one in of.examples)
    peaks = [one for one in drawn if one["at"] != -one["lane"]]
    assert {one["series"]: one["at"] > -one["lane"] for one in peaks} == {"sent": True, "received": False}
    assert [row[:3] for row in chart.rows] == [(name, 8, 8) for name in FOUR.names]
    assert "news: 8 packets" in str(values_of(chart, 1)[0]["head"])


def test_a_long_trace_says_how_much_of_it_is_drawn() -> None:
    chart = packets(profile(trace_set(2, packets=400)), FOUR)
    assert "news: 400 packets, 300 drawn" in str(values_of(chart, 1)[0]["head"])


def test_all_charts_have_words_and_different_names() -> None:
    alone = trace_set_charts(small_profile(), FOUR)
    compared = trace_set_charts(small_profile(), FOUR, small_profile(seed=1))
    assert [chart.name for chart in compared if chart.name not in {one.name for one in alone}] == ["before-and-after"]
    for chart in compared:
        assert chart.alt.endswith(".")
        assert all(len(row) == len(chart.columns) for row in chart.rows)
    assert len({chart.name for chart in compared}) == 5

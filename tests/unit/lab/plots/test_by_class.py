"""A mark for each class: its axis."""

from __future__ import annotations

import pytest

from srs.lab.plots.by_class import Marks, log_scale


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([1.5, 30.0], [2, 5, 10, 20]),
        ([0.9, 25_000.0], [1, 10, 100, 1000, 10_000]),
        ([0.0, 3.0], []),  # the drawer's own choice
    ],
)
def test_a_logarithmic_axis_holds_its_values_and_has_a_few_ticks(values: list[float], ticks: list[float]) -> None:
    scale = log_scale("kB", [Marks("received", values)])
    assert scale.ends is not None
    low, high = scale.ends
    assert low < min(value for value in values if value > 0) <= max(values) < high
    assert [tick for tick in scale.ticks if low <= tick <= high] == list(scale.ticks)
    assert list(scale.ticks) == pytest.approx(ticks)

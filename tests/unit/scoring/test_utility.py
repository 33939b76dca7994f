"""The twelve metrics against exact arithmetic, and their edges; against pandas see ``test_real_captures.py``."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.by_hand import utility_by_hand
from srs.scoring.schemes import srs2022_utility
from srs.scoring.utility import utility_metrics
from worlds.traffic import as_csv, defence_rows


@pytest.mark.parametrize("repetitions", [3, 4])
def test_the_metrics_are_those_of_exact_arithmetic(repetitions: int) -> None:
    """An odd and an even number of traces."""
    rows = defence_rows(classes=3, repetitions=repetitions, seed=7, packets=31)
    traces = [rows[start : start + 31] for start in range(0, len(rows), 31)]
    sizes = np.array([[row[2] for row in trace] for trace in traces])
    metrics = utility_metrics(
        np.where(sizes < 0, -sizes, 0).sum(axis=1),
        np.where(sizes > 0, sizes, 0).sum(axis=1),
        [trace[-1][3] - trace[0][3] for trace in traces],
    )
    expected, expected_utility = utility_by_hand(as_csv(rows))
    assert metrics == pytest.approx(expected, rel=1e-12)
    assert len(metrics) == 12
    utility, implausible = srs2022_utility(metrics)
    assert utility == pytest.approx(expected_utility, rel=1e-12)
    assert not implausible


def test_one_trace_is_all_of_its_own_metrics() -> None:
    metrics = utility_metrics([0], [12], [0.0])
    assert {metrics[f"{kind}_in_volume"] for kind in ("max", "min", "mean", "median")} == {0.0}
    assert {metrics[f"{kind}_out_volume"] for kind in ("max", "min", "mean", "median")} == {12.0}


def test_the_mean_does_not_depend_on_the_order_of_the_traces() -> None:
    """R13, the part that is arithmetic."""
    rng = np.random.default_rng(5)
    durations = rng.lognormal(2, 3, 501)
    first = utility_metrics(durations, durations, durations)
    for _ in range(50):
        rng.shuffle(durations)
        assert utility_metrics(durations, durations, durations) == first

"""The twelve metrics against pandas' values for the real captures, and their edges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from srs.scoring.schemes import srs2022_utility
from srs.scoring.utility import utility_metrics

SHARED = Path(__file__).parents[4] / "shared"
REFERENCE = SHARED / "reference" / "utility_metrics.json"
CAPTURES = SHARED / "data" / "secretstroll_tor.csv.zip"


@pytest.fixture(scope="module")
def per_trace() -> pl.DataFrame:
    if not CAPTURES.exists() or not REFERENCE.exists():
        pytest.skip("the real captures and their reference (../shared) are not beside this checkout")
    import zipfile

    with zipfile.ZipFile(CAPTURES) as archive:
        packets = pl.read_csv(archive.read(archive.namelist()[0]))
    size, time = pl.col("direction_size"), pl.col("timestamp")
    return packets.group_by("cell_id", "rep").agg(
        size.filter(size < 0).abs().sum().alias("volume_in"),
        size.filter(size > 0).sum().alias("volume_out"),
        (time.max() - time.min()).alias("duration_s"),
    )


@pytest.mark.parametrize(("name", "cells"), [("secretstroll_tor", 100), ("secretstroll_tor_cells_1_to_5", 5)])
def test_real_captures_give_the_reference_metrics(per_trace: pl.DataFrame, name: str, cells: int) -> None:
    expected: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))[name]
    rows = per_trace.filter(pl.col("cell_id") <= cells)
    metrics = utility_metrics(*(rows[c].to_numpy() for c in ("volume_in", "volume_out", "duration_s")))
    assert rows.height == expected["traces"]
    assert len(metrics) == 12
    for key, value in metrics.items():
        assert value == pytest.approx(expected[key], rel=1e-12), key
    utility, implausible = srs2022_utility(metrics)
    assert utility == pytest.approx(expected["utility_srs2022"], rel=1e-12)
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

"""The simulator: honest-looking traces, the same twice, and the same map for every caller."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from srs.lab import simulate as module
from srs.lab.simulate import simulate

SIZE = pl.col("direction_size")


@pytest.fixture(scope="module")
def traces() -> pl.DataFrame:
    return simulate(20, 10, seed=7)


def test_the_same_seed_gives_the_same_captures(traces: pl.DataFrame) -> None:
    assert_frame_equal(simulate(20, 10, seed=7), traces)
    assert not simulate(20, 10, seed=8).equals(traces)


def test_another_start_gives_other_captures_of_the_same_map(traces: pl.DataFrame) -> None:
    assert_frame_equal(simulate(20, 4, seed=7, start=6), traces.filter(pl.col("rep") >= 6))
    volumes = [
        captures.group_by("cell_id").agg(SIZE.abs().sum() / pl.col("rep").n_unique()).sort("cell_id")["direction_size"]
        for captures in (traces, simulate(20, 10, seed=7, start=100))
    ]
    assert np.allclose(*volumes, rtol=0.02), "the bytes are the cell's"
    assert not np.allclose(*volumes, rtol=1e-4)


def test_every_trace_is_one_a_race_accepts(traces: pl.DataFrame) -> None:
    grouped = traces.group_by("cell_id", "rep").agg(
        packets=pl.len(),
        sent=(SIZE > 0).sum(),
        first=pl.col("timestamp").first(),
        last=pl.col("timestamp").last(),
        rising=(pl.col("timestamp").diff().drop_nulls() >= 0).all(),
    )
    assert grouped.height == 200
    assert sorted(traces["rep"].unique()) == list(range(10))
    assert grouped["packets"].min() >= 30  # type: ignore[operator]
    assert (grouped["sent"] > 0).all()
    assert (grouped["sent"] < grouped["packets"]).all()
    assert (grouped["first"] == 0).all()
    assert grouped["last"].max() < 300  # type: ignore[operator]
    assert grouped["rising"].all()


def test_it_resembles_the_real_captures(traces: pl.DataFrame) -> None:
    """Within a third of the medians of 3 599 real traces: 392 packets, 439 kB, 26.9 kB, 12.5 s; 11 % sent."""
    medians = (
        traces.group_by("cell_id", "rep")
        .agg(
            packets=pl.len(),
            received=-SIZE.filter(SIZE < 0).sum(),
            sent=SIZE.filter(SIZE > 0).sum(),
            duration=pl.col("timestamp").max(),
        )
        .median()
    )
    for name, real in {"packets": 392, "received": 439_240, "sent": 26_886, "duration": 12.5}.items():
        assert medians[name][0] == pytest.approx(real, rel=1 / 3), name
    assert traces.select((SIZE > 0).mean()).item() == pytest.approx(0.11, abs=0.02)
    common = traces["direction_size"].value_counts(sort=True)["direction_size"].head(8).to_list()
    assert {-1500, 576, -1488, -576} <= set(common)
    assert traces["direction_size"].abs().max() == 2118, "no segment is larger than its packet, but for one request"


def test_delays_vary_far_more_than_bytes(traces: pl.DataFrame) -> None:
    spread = (
        traces.group_by("cell_id", "rep")
        .agg(volume=SIZE.abs().sum(), duration=pl.col("timestamp").max())
        .group_by("cell_id")
        .agg(pl.col("volume", "duration").std() / pl.col("volume", "duration").mean())
        .mean()
    )
    assert spread["volume"][0] < 0.03
    assert 0.2 < spread["duration"][0] < 0.6


def test_segments_carry_every_byte_of_their_writes() -> None:
    rng = np.random.default_rng(1)
    cells = rng.integers(1, 60, 500)
    events = module._segments(np.arange(500), np.zeros(500), cells, rng)
    payload = np.bincount(events.trace, -events.size - module.HEADER_BYTES, 500)
    assert np.array_equal(payload, cells * 514 + 22 * np.ceil(cells / 7))
    assert -events.size.min() <= 1500
    assert -events.size.max() > module.HEADER_BYTES


def test_acknowledgements_follow_the_windows() -> None:
    events = module._acknowledgements(np.zeros(7, dtype=np.int64), np.arange(7.0), np.full(7, 49))
    assert events.size.tolist() == [576] * 9, "343 cells: 6 of a stream, 3 of a circuit"
    assert np.floor(events.at_s).tolist() == [1, 2, 2, 3, 4, 4, 5, 6, 6]

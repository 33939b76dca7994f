"""Padding defences: what they promise about bytes, time and order, and that they help."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from srs.lab.defences import DEFENCES, dummies, front, full_packets, tamaraw
from srs.lab.simulate import simulate

TRACE = ("cell_id", "rep")
SIZE = pl.col("direction_size")


@pytest.fixture(scope="module")
def traces() -> pl.DataFrame:
    return simulate(6, 5, seed=3)


def trace(*packets: tuple[float, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "cell_id": [1] * len(packets),
            "rep": [0] * len(packets),
            "direction_size": [size for _, size in packets],
            "timestamp": [float(at_s) for at_s, _ in packets],
        }
    )


@pytest.mark.parametrize("name", sorted(DEFENCES))
def test_a_defence_gives_the_same_traces_at_a_price(name: str, traces: pl.DataFrame) -> None:
    defended = DEFENCES[name](traces, 5)
    assert defended.columns == traces.columns
    assert_frame_equal(defended, DEFENCES[name](traces, 5))
    assert_frame_equal(defended.select(TRACE).unique().sort(TRACE), traces.select(TRACE).unique().sort(TRACE))
    assert defended.select(SIZE.abs().sum()).item() > traces.select(SIZE.abs().sum()).item()
    in_order = defended.group_by(TRACE).agg(
        first=pl.col("timestamp").first(), rising=(pl.col("timestamp").diff().drop_nulls() >= 0).all()
    )
    assert (in_order["first"] == 0).all()
    assert in_order["rising"].all()


def test_full_packets_hide_small_ones_and_keep_large_ones() -> None:
    defended = full_packets(trace((0, 576), (1, -40), (2, -4420)), 0)
    assert defended["direction_size"].to_list() == [1500, -1500, -4420]


@pytest.mark.parametrize("defence", [dummies, front])
def test_dummies_delay_nothing_and_do_not_outlast_the_trace(defence, traces: pl.DataFrame) -> None:  # type: ignore[no-untyped-def]
    defended = defence(traces, 1)
    kept = traces.join(defended, on=[*TRACE, "timestamp", "direction_size"], how="semi")
    assert kept.height == traces.height
    assert_frame_equal(
        defended.group_by(TRACE).agg(pl.col("timestamp").max()).sort(TRACE),
        traces.group_by(TRACE).agg(pl.col("timestamp").max()).sort(TRACE),
    )
    assert not defended.equals(defence(traces, 2))


def test_front_pads_the_beginning_most(traces: pl.DataFrame) -> None:
    added = front(traces, 1, window_s=(1.0, 2.0)).height - traces.height
    early = front(traces, 1, window_s=(1.0, 2.0)).filter(pl.col("timestamp") < 3).height
    assert early - traces.filter(pl.col("timestamp") < 3).height > 0.7 * added


def test_tamaraw_leaves_only_how_many_hundred_packets_there_were(traces: pl.DataFrame) -> None:
    defended = tamaraw(traces, 0)
    counts = defended.group_by(TRACE).agg(sent=(SIZE > 0).sum(), received=(SIZE < 0).sum())
    assert (counts["sent"] % 100 == 0).all()
    assert (counts["received"] % 100 == 0).all()
    assert set(defended["direction_size"].unique()) == {576, -1500}
    one = defended.filter((pl.col("cell_id") == 2) & (pl.col("rep") == 3))
    for way, every_s in ((SIZE > 0, 0.04), (SIZE < 0, 0.012)):
        assert np.allclose(np.diff(one.filter(way)["timestamp"].to_numpy()), every_s, atol=1e-5)


def test_tamaraw_sends_nothing_before_it_is_there() -> None:
    """Packets of 1500 at 0, 0 and 0.1 s: slots 0, 1 and 9, and what is larger than a slot takes several."""
    defended = tamaraw(trace((0, -1500), (0, -1500), (0.1, -1500), (0.1, 600)), 0, multiple=1)
    assert defended.filter(SIZE < 0).height == 10
    assert defended.filter(SIZE > 0).height == 5
    padded = tamaraw(trace((0, -1500), (0.1, -3001)), 0, multiple=1)
    assert padded.filter(SIZE < 0).height == 12
    assert padded.filter(SIZE > 0).height == 1, "an empty direction has its one slot, too"

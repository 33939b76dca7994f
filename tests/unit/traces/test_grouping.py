"""Rows into traces, wherever they stand."""

from __future__ import annotations

import numpy as np
import polars as pl

from srs.traces.grouping import Grouped, group
from worlds.traffic import HEADER, Row, defence_rows


def grouped(rows: list[Row], first_line: int = 2) -> Grouped:
    types = {"cell_id": pl.Int32, "rep": pl.Int32, "direction_size": pl.Int32, "timestamp": pl.Float64}
    return group(pl.DataFrame(rows, types, orient="row").select(HEADER.split(",")), "cell_id", first_line)


def test_rows_in_order_are_left_where_they_are() -> None:
    traces = grouped(defence_rows())
    assert traces.rows is None
    assert traces.class_of_trace.tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert traces.rep_of_trace.tolist() == [0, 1, 2, 3] * 3
    assert traces.starts.tolist() == list(range(0, 97, 8))
    assert traces.line(0) == 2
    assert traces.line(95) == 97


def test_rows_out_of_order_are_gathered_and_know_their_lines() -> None:
    rows = [(2, 1, 10, 0.0), (1, 5, 20, 0.0), (2, 1, 11, 0.5), (1, 0, 30, 0.0), (1, 5, 21, 0.25), (2, 1, 12, 0.4)]
    traces = grouped(rows, first_line=1)
    pairs = zip(traces.class_of_trace.tolist(), traces.rep_of_trace.tolist(), strict=True)
    assert list(pairs) == [(1, 0), (1, 5), (2, 1)]
    assert traces.size.tolist() == [30, 20, 21, 10, 11, 12]
    assert traces.time_s.tolist() == [0.0, 0.0, 0.25, 0.0, 0.5, 0.4]
    assert [traces.line(packet) for packet in range(6)] == [4, 2, 5, 1, 3, 6]


def test_one_row_is_one_trace() -> None:
    traces = grouped([(3, 2**31 - 1, -5, 7.0)])
    assert (traces.starts.tolist(), traces.rep_of_trace.tolist()) == ([0, 1], [2**31 - 1])
    assert traces.class_of_trace.dtype == np.int32

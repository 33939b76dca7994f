"""From a file to a trace set."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from fixtures.by_hand import utility_by_hand
from srs.game.race import Classes
from srs.lab.simulate import simulate
from srs.scoring.schemes import srs2022_utility
from srs.scoring.utility import utility_metrics
from srs.traces.defences import read_defence
from worlds.traffic import RULES, defence_csv, defence_rows


def test_a_valid_file_becomes_its_traces() -> None:
    traces, report = read_defence(defence_csv(), RULES, "x.csv")
    assert report.accepted
    assert traces is not None
    rows = defence_rows()
    assert traces.size.tolist() == [row[2] for row in rows]
    assert traces.time_us.tolist() == [round(row[3] * 1e6) for row in rows]
    assert traces.duration_s.tolist() == [rows[last][3] for last in range(7, 96, 8)]
    assert (np.diff(traces.starts) == 8).all()


def test_what_cannot_be_opened_is_a_report() -> None:
    traces, report = read_defence(b"PK\x03\x04", RULES, "x.zip")
    assert traces is None
    assert [problem.code for problem in report.problems] == ["file.damaged"]


def test_durations_keep_the_file_s_precision() -> None:
    text = defence_csv().decode().replace("1,0,576,0.000000", "1,0,576,0.0000001234")
    traces, _ = read_defence(text.encode(), RULES, "x.csv")
    assert traces is not None
    assert traces.duration_s[0] == defence_rows()[7][3] - 0.0000001234


def test_a_capture_gives_the_metrics_of_exact_arithmetic() -> None:
    """Its faults do not change them: time that runs back a little, and a trace that begins later than at 0."""
    table = simulate(classes=5, repetitions=4, seed=3).with_row_index("line")
    later = (pl.col("cell_id") == 2) & (pl.col("rep") == 1)
    table = table.with_columns(pl.when(later).then(pl.col("timestamp") + 7.25).otherwise(pl.col("timestamp")))
    swapped = pl.when(pl.col("line") == 20).then(21).when(pl.col("line") == 21).then(20).otherwise(pl.col("line"))
    file = table.sort(swapped).drop("line").write_csv(float_precision=6).encode()
    rules = RULES.model_copy(update={"classes": Classes(count=5)})
    traces, report = read_defence(file, rules, "x.csv")
    assert traces is not None
    assert (report.problems, report.signals) == ((), ())
    assert [(warning.code, warning.more) for warning in report.warnings] == [
        ("trace.sorted", 0),
        ("trace.absolute-times", 0),
    ]
    assert (len(traces), traces.packets) == (20, table.height)
    metrics = utility_metrics(traces.volume_in, traces.volume_out, traces.duration_s)
    expected, utility = utility_by_hand(file)
    assert metrics == pytest.approx(expected, rel=1e-12)
    assert len(metrics) == 12
    assert srs2022_utility(metrics)[0] == pytest.approx(utility, rel=1e-12)

"""From a file to a trace set."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from srs.game.race import RaceRules
from srs.scoring.schemes import srs2022_utility
from srs.scoring.utility import utility_metrics
from srs.traces.defences import read_defence
from worlds.traffic import REAL, RULES, SHARED, defence_csv, defence_rows


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


@pytest.mark.skipif(not REAL.exists(), reason="the real captures (../shared/data) are not on this machine")
def test_the_real_captures_give_the_metrics_of_the_reference() -> None:
    reference = json.loads((SHARED / "reference" / "utility_metrics.json").read_text())["secretstroll_tor"]
    traces, report = read_defence(REAL, RaceRules(slug="real", title="Real", rounds=()), REAL.name)
    assert traces is not None
    assert (report.problems, report.signals) == ((), ())
    assert [(warning.code, warning.more) for warning in report.warnings] == [("trace.sorted", 7)]
    assert (len(traces), traces.packets) == (reference["traces"], reference["packets"])
    metrics = utility_metrics(traces.volume_in, traces.volume_out, traces.duration_s)
    assert len(metrics) == 12
    for name, value in metrics.items():
        assert math.isclose(value, reference[name], rel_tol=1e-12), name
    assert math.isclose(srs2022_utility(metrics)[0], reference["utility_srs2022"], rel_tol=1e-12)

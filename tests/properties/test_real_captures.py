"""Real captures give the numbers that pandas gives for them, to the last bits."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from fixtures.reference import REAL_TRACES, REFERENCE, read_packets, reads_real_captures
from fixtures.sizes import record
from srs.game.race import RaceRules
from srs.scoring.schemes import srs2022_utility
from srs.scoring.utility import utility_metrics
from srs.traces.defences import read_defence

EXPECTED: dict[str, Any] = json.loads((REFERENCE / "utility_metrics.json").read_text(encoding="utf-8"))


@reads_real_captures
def test_the_real_captures_give_the_metrics_of_the_reference() -> None:
    """From the file to the utility; in 8 traces time runs back, and their packets are sorted."""
    expected = EXPECTED["secretstroll_tor"]
    traces, report = read_defence(REAL_TRACES, RaceRules(slug="real", title="Real", rounds=()), REAL_TRACES.name)
    assert traces is not None
    assert (report.problems, report.signals) == ((), ())
    assert [(warning.code, warning.more) for warning in report.warnings] == [("trace.sorted", 7)]
    assert (len(traces), traces.packets) == (expected["traces"], expected["packets"])
    metrics = utility_metrics(traces.volume_in, traces.volume_out, traces.duration_s)
    assert len(metrics) == 12
    assert metrics == pytest.approx({name: expected[name] for name in metrics}, rel=1e-12)
    assert srs2022_utility(metrics)[0] == pytest.approx(expected["utility_srs2022"], rel=1e-12)
    record("real", len(traces), note="traces of the real captures, against pandas")


@reads_real_captures
@pytest.mark.parametrize(("name", "cells"), [("secretstroll_tor", 100), ("secretstroll_tor_cells_1_to_5", 5)])
def test_the_metrics_of_real_numbers_are_those_of_the_reference(name: str, cells: int) -> None:
    """The scoring alone, fed by another way to read the file."""
    size, time = pl.col("direction_size"), pl.col("timestamp")
    packets = read_packets(REAL_TRACES).filter(pl.col("cell_id") <= cells)
    rows = packets.group_by("cell_id", "rep").agg(
        size.filter(size < 0).abs().sum().alias("volume_in"),
        size.filter(size > 0).sum().alias("volume_out"),
        (time.max() - time.min()).alias("duration_s"),
    )
    metrics = utility_metrics(*(rows[column].to_numpy() for column in ("volume_in", "volume_out", "duration_s")))
    assert rows.height == EXPECTED[name]["traces"]
    assert len(metrics) == 12
    assert metrics == pytest.approx({key: EXPECTED[name][key] for key in metrics}, rel=1e-12)
    utility, implausible = srs2022_utility(metrics)
    assert utility == pytest.approx(EXPECTED[name]["utility_srs2022"], rel=1e-12)
    assert not implausible

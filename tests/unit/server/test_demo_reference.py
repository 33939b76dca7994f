"""The demo compares its defences with its own undefended traffic, not with that of another network."""

from __future__ import annotations

import polars as pl
import pytest

from srs.game.race import read_rules
from srs.lab.simulate import simulate
from srs.server.cli.season import CELLS, REPETITIONS, RULES, SEED

ROUND = """
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
"""


def test_the_demo_knows_what_its_traffic_costs_undefended() -> None:
    """Medians of three teams' captures without a defence, within what captures differ by."""
    text = RULES.format(cells=CELLS, repetitions=REPETITIONS, test=3 * CELLS) + ROUND
    size = pl.col("direction_size")
    traces = (
        simulate(CELLS, 3 * REPETITIONS, seed=SEED)
        .group_by("cell_id", "rep")
        .agg(
            received=-size.filter(size < 0).sum(), sent=size.filter(size > 0).sum(), duration=pl.col("timestamp").max()
        )
    )
    undefended = read_rules(text).undefended
    assert undefended.received_bytes == pytest.approx(traces["received"].median(), rel=0.02)
    assert undefended.sent_bytes == pytest.approx(traces["sent"].median(), rel=0.02)
    assert undefended.duration_s == pytest.approx(traces["duration"].median(), rel=0.05)

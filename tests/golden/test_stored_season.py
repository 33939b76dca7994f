"""Stored uploads in, standings out: the same numbers on every commit (G7)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fixtures.databases import FEWER
from srs.server.store.engine import Store
from worlds.stored_season import FOLDER, play, stored_upload


def read_standings(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("config", FEWER, indirect=True)
def test_stored_uploads_give_the_stored_standings(store: Store) -> None:
    """G7: six teams, two rounds, at full size on both databases; every number equal to 1e-9."""
    expected = read_standings(FOLDER / "standings.csv")
    rows = play(store, stored_upload)
    assert len(rows) == len(expected) == 12
    for row, then in zip(rows, expected, strict=True):
        assert {name: row[name] for name in ("round", "rank", "team")} == {
            name: then[name] for name in ("round", "rank", "team")
        }
        for name in ("utility", "attack", "total"):
            assert float(row[name]) == pytest.approx(float(then[name]), abs=1e-9, rel=0)

"""What is handed out and what is sealed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl

from srs.traces.bundles import (
    describe_file,
    read_pool,
    read_published,
    write_manifest,
    write_pool,
    write_published,
    write_test,
    write_train,
)
from srs.traces.defences import read_defence
from srs.traces.trace_set import TraceSet
from worlds.traffic import RULES, defence_csv


def traces() -> TraceSet:
    made, _ = read_defence(defence_csv(), RULES, "x")
    assert made is not None
    return made


def test_repetitions_are_numbered_as_chosen(tmp_path: Path) -> None:
    made = traces()
    chosen = np.array([7, 4, 6, 0, 2])
    assert write_train(made, chosen, "cell_id", tmp_path) == {
        "train.csv.zip": "train.csv.zip",
        "train.parquet": "train.parquet",
    }
    table = pl.read_parquet(tmp_path / "train.parquet")
    assert table.columns == ["cell_id", "rep", "direction_size", "timestamp"]
    first_rows = table[::8]
    assert first_rows.select("cell_id", "rep").rows() == [(2, 0), (2, 1), (2, 2), (1, 0), (1, 1)]
    assert table["direction_size"].to_list()[:8] == made.size[56:64].tolist()


def test_test_traces_are_sorted_by_their_ids(tmp_path: Path) -> None:
    made = traces()
    write_test(made, np.array([3, 9, 1]), 12, [500, 20, 2**31 - 1], tmp_path)
    table = pl.read_parquet(tmp_path / "test.parquet")
    assert table.columns == ["team_id", "capture_id", "direction_size", "timestamp"]
    assert table[::8].select("team_id", "capture_id").rows() == [(12, 20), (12, 500), (12, 2**31 - 1)]
    expected = [*made.size[72:80], *made.size[24:32], *made.size[8:16]]
    assert table["direction_size"].to_list() == expected


def test_a_pool_is_read_as_it_was_sealed(tmp_path: Path) -> None:
    made = traces()
    write_pool(made, np.array([8, 1]), tmp_path / "pool.npz")
    pool, expected = read_pool(tmp_path / "pool.npz"), made.select(np.array([8, 1]))
    for name in ("class_of_trace", "rep_of_trace", "starts", "size", "time_us", "duration_s"):
        assert getattr(pool, name).tolist() == getattr(expected, name).tolist()
        assert getattr(pool, name).dtype == getattr(expected, name).dtype


def test_published_hashes_add_up(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_published([b"b" * 16, b"a" * 16], one)
    write_published([], two)
    assert one.read_bytes() == b"a" * 16 + b"b" * 16
    assert read_published([one, two]) == {b"a" * 16, b"b" * 16}
    assert read_published([]) == frozenset()


def test_the_manifest_names_every_file(tmp_path: Path) -> None:
    (tmp_path / "test.csv.zip").write_bytes(b"content")
    described = describe_file(tmp_path / "test.csv.zip")
    assert described == {"sha256": hashlib.sha256(b"content").hexdigest(), "size_bytes": 7}
    names = write_manifest(RULES, "three-cells", 2, 5, {"test.csv.zip": described}, tmp_path)
    assert names == {"README.md": "README.md", "manifest.json": "manifest.json"}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    readme = (tmp_path / "README.md").read_text()
    assert manifest == {
        "race": "three-cells",
        "round": 2,
        "team_id": 5,
        "files": {"test.csv.zip": described, "README.md": describe_file(tmp_path / "README.md")},
    }
    for word in ("team 5", "`cell_id`", "`capture_id`", "1 to 3", "proba_class_3", "microseconds", "3 cells"):
        assert word in readme


def test_a_bundle_of_the_house_says_that_it_is_practice(tmp_path: Path) -> None:
    write_manifest(RULES, "three-cells", None, 0, {}, tmp_path)
    readme = (tmp_path / "README.md").read_text()
    for words in ("# Practice", "the same for everyone who practises", "nothing here counts"):
        assert words in readme

"""The bundle of a match: its own order, its own ids, and a sealed key that fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from srs.game.race import Split
from srs.judging.bundle import Bundle, prepare_bundle
from srs.judging.defence import judge_defence
from srs.judging.key import read_key
from srs.judging.task import BundleTask, DefenceTask
from srs.traces.bundles import describe_file, read_pool
from worlds.traffic import RULES, defence_csv

IDS = [900, 17, 2**31 - 1, 5, 44, 3]
RULES_OF_RACE = RULES.model_copy(update={"split": Split(test_traces=6, test_pool=9, public_share=0.34)})


def bundle(folder: Path, seed: bytes = b"seed") -> tuple[Bundle, Path]:
    sent = folder / "sent"
    sent.write_bytes(defence_csv())
    secret = b"a secret of the race, long enough"
    verdict = judge_defence(
        DefenceTask(path=sent, name="x", rules=RULES_OF_RACE, split_secret=secret, published=[]), folder
    )
    out = folder / seed.hex()
    out.mkdir()
    task = BundleTask(
        rules=RULES_OF_RACE,
        pool=folder / verdict.pool,
        race="three-cells",
        round_number=1,
        team_id=4,
        order_seed=seed,
        capture_ids=IDS,
        train_files={name: describe_file(folder / path) for name, path in verdict.files.items()},
    )
    return prepare_bundle(task, out), out


def test_a_bundle_has_its_test_set_and_what_explains_it(tmp_path: Path) -> None:
    made, out = bundle(tmp_path)
    assert sorted(made.files) == ["README.md", "manifest.json", "test.csv.zip", "test.parquet"]
    assert sorted(file.name for file in out.iterdir()) == sorted([*made.files.values(), made.labels])
    manifest = json.loads((out / "manifest.json").read_text())
    assert sorted(manifest["files"]) == ["README.md", "test.csv.zip", "test.parquet", "train.csv.zip", "train.parquet"]
    for name in ("README.md", "test.csv.zip", "test.parquet"):
        assert manifest["files"][name] == describe_file(out / name)


def test_the_key_fits_the_test_set(tmp_path: Path) -> None:
    made, out = bundle(tmp_path)
    key = read_key(4, out / made.labels)
    pool = read_pool(tmp_path / "pool.npz")
    test = pl.read_parquet(out / "test.parquet")
    assert key.capture_ids.tolist() == IDS
    assert np.bincount(key.classes).tolist() == [0, 2, 2, 2]
    assert int(key.is_public.sum()) == 2
    assert len(set(key.classes[key.is_public].tolist())) == 2
    class_of_content = {
        tuple(pool.size[slice(*pool.starts[trace : trace + 2])].tolist()): int(pool.class_of_trace[trace])
        for trace in range(len(pool))
    }
    for capture, number in zip(IDS, key.classes.tolist(), strict=True):
        sizes = test.filter(pl.col("capture_id") == capture)["direction_size"].to_list()
        assert class_of_content[tuple(sizes)] == number


def test_each_match_has_its_own_draw(tmp_path: Path) -> None:
    draws = set()
    for seed in (b"one", b"two", b"three"):
        folder = tmp_path / seed.decode()
        folder.mkdir()
        made, out = bundle(folder, seed)
        draws.add(tuple(read_key(4, out / made.labels).classes.tolist()))
    assert len(draws) > 1

"""The house's practice match and its examples: they pass as they are, whatever the rules of a race ask for."""

from __future__ import annotations

import json
import runpy
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from fixtures.sizes import FULL
from srs.errors import InputError
from srs.game.race import RaceRules, read_rules
from srs.judging.attack import check_attack, judge_predictions
from srs.judging.defence import judge_defence
from srs.judging.key import MatchKey, read_key
from srs.judging.task import DefenceTask, HouseTask
from srs.lab.attacks import predict
from srs.lab.house import EXAMPLE_ATTACK, EXAMPLE_DEFENCE, House, guess, house_traffic, make_house
from srs.traces.schema import HOUSE_TEAM

RACE = """
slug = "variant"
title = "A variant"
[joining]
how = "open"
{tables}
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
"""
VARIANTS = {
    "two classes": (
        "[classes]\ncount = 2\n[traces]\nrepetitions = [2, 3]\npackets_min = 2\n[split]\ntest_traces = 2\ntest_pool = 2"
    ),
    "small": "[classes]\ncount = 4\n[traces]\nrepetitions = [3, 6]\n[split]\ntest_traces = 4\ntest_pool = 8",
    "named": (
        '[classes]\ncount = 3\ncolumn = "page"\nsingular = "page"\nnames = ["news", "mail", "maps"]\n'
        "[split]\ntest_traces = 9\ntest_pool = 9"
    ),
    "strict": (
        '[classes]\ncount = 5\n[traces]\nrepetitions = [4, 4]\ncopies = "reject"\nplausibility = "reject"\n'
        "packets_min = 900\nduration_max_s = 2.5\nsize_max_bytes = 1400\nupload_max_mb = 1\nunpacked_max_mb = 4\n"
        "[split]\ntest_traces = 5\ntest_pool = 5"
    ),
    "tiny uploads": (
        "[classes]\ncount = 2\n[traces]\nrepetitions = [2, 3]\npackets_min = 2600\nupload_max_mb = 1\n"
        "unpacked_max_mb = 1\n[split]\ntest_traces = 2\ntest_pool = 2"
    ),
    "the demo's": "[classes]\ncount = 24\n[traces]\nrepetitions = [8, 16]\n[split]\ntest_traces = 72\ntest_pool = 72",
    # A race may ask for test sets that nobody needs to practise on.
    "100 classes, a large test set": (
        "[traces]\nrepetitions = [12, 12]\nupload_max_mb = 1\n[split]\ntest_traces = 1100\ntest_pool = 1100"
    ),
}
DEAR = {
    "tiny uploads of many traces": "[classes]\ncount = 40\n[traces]\nupload_max_mb = 1\nunpacked_max_mb = 1",
    "the defaults": "",
    "two classes, a large test set": (
        "[classes]\ncount = 2\n[traces]\nrepetitions = [1200, 1300]\n[split]\ntest_traces = 2000\ntest_pool = 2000"
    ),
}
KEY = bytes(range(32))


def rules_of(variant: str) -> RaceRules:
    return read_rules(RACE.format(tables=(VARIANTS | DEAR)[variant]))


def made(rules: RaceRules, folder: Path, key: bytes = KEY) -> House:
    folder.mkdir(exist_ok=True)
    ids = list(range(1000, 1000 + rules.split.test_traces))
    return make_house(HouseTask(rules=rules, race="variant", key=key, capture_ids=ids), folder)


class Built(NamedTuple):
    """The house of a variant, made once: nothing is written into its folder again."""

    rules: RaceRules
    house: House
    folder: Path

    def key(self) -> MatchKey:
        return read_key(HOUSE_TEAM, self.folder / self.house.labels)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    done: dict[str, Built] = {}

    def build(variant: str) -> Built:
        if variant not in done:
            rules, folder = rules_of(variant), tmp_path_factory.mktemp("house")
            done[variant] = Built(rules, made(rules, folder), folder)
        return done[variant]

    return build


FULL_ONLY = pytest.mark.skipif(not FULL, reason="thousands of traces, at full size only")


@pytest.mark.parametrize("variant", [*VARIANTS, *(pytest.param(variant, marks=FULL_ONLY) for variant in DEAR)])
def test_the_examples_pass_as_they_are(variant: str, built: Callable[[str], Built], tmp_path: Path) -> None:
    """An example defence and an example attack to download, which pass as they are."""
    house = built(variant)
    rules, found, house_folder = house
    assert set(found.files) == {
        *("train.csv.zip", "train.parquet", "test.csv.zip", "test.parquet", "README.md", "manifest.json"),
        *("example_defence.csv.zip", "example_attack.csv.zip", "example_attack.py"),
    }
    assert all((house_folder / name).stat().st_size for name in (*found.files.values(), found.labels))
    sent = DefenceTask(
        path=house_folder / EXAMPLE_DEFENCE,
        name="mine.csv.zip",
        rules=rules,
        split_secret=b"the real race's secret",
        published=[],
    )
    (tmp_path / "defence").mkdir()
    verdict = judge_defence(sent, tmp_path / "defence")
    assert (verdict.accepted, verdict.report.problems, verdict.report.warnings) == (True, (), ())
    assert not verdict.report.signals or rules.traces.plausibility == "signal"
    key = house.key()
    attack = judge_predictions(house_folder / EXAMPLE_ATTACK, "mine.csv.zip", rules, [key])
    assert (attack.accepted, attack.report.problems) == (True, ())
    assert attack.matches[HOUSE_TEAM].final == found.baseline
    assert found.baseline["traces"] == len(key.capture_ids) == min(1000, rules.split.test_traces)
    assert key.is_public.all(), "nothing is kept back in practice"
    assert check_attack(house_folder / EXAMPLE_ATTACK, "mine.csv.zip", house_folder, rules).accepted


def test_the_rules_names_are_used(built: Callable[[str], Built]) -> None:
    folder = built("named").folder
    assert pl.read_parquet(folder / "train.parquet").columns[0] == "page"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# Practice: a match against the house\n")
    assert "the same for everyone who practises" in readme
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["round"], manifest["team_id"]) == (None, HOUSE_TEAM)


def test_a_job_done_again_makes_the_same_files(built: Callable[[str], Built], tmp_path: Path) -> None:
    rules, first, folder = built("small")
    again = made(rules, tmp_path / "again")
    other = made(rules, tmp_path / "other", key=bytes(32))
    assert first == again
    for name in (*first.files.values(), first.labels):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    assert (folder / "train.parquet").read_bytes() != (tmp_path / "other/train.parquet").read_bytes()
    assert other.baseline != first.baseline


def test_it_leaves_something_to_find(built: Callable[[str], Built], tmp_path: Path) -> None:
    """The house's own attack is better than chance, an honest one is better still, and neither is always right."""
    house = built("the demo's")
    train, test = (pl.read_parquet(house.folder / f"{name}.parquet") for name in ("train", "test"))
    trees = predict(train, test, "trees", 1, classes=24)
    trees.write_csv(tmp_path / "trees.csv", float_precision=6)
    judged = judge_predictions(tmp_path / "trees.csv", "trees.csv", house.rules, [house.key()])
    reached = judged.matches[HOUSE_TEAM].final["accuracy"]
    assert 3 / 24 < house.house.baseline["accuracy"] < reached < 0.95
    assert reached > 0.5


def test_the_script_runs_on_the_downloaded_files(
    built: Callable[[str], Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script and the files in one folder. That it needs no more than that: test_example_attack.py."""
    house = built("small")
    for name in ("train.csv.zip", "test.csv.zip", "example_attack.py"):
        (tmp_path / name).write_bytes((house.folder / name).read_bytes())
    monkeypatch.setattr(sys, "argv", ["example_attack.py", str(tmp_path), "-o", str(tmp_path / "out.csv")])
    runpy.run_path(str(tmp_path / "example_attack.py"), run_name="__main__")
    assert judge_predictions(tmp_path / "out.csv", "out.csv", house.rules, [house.key()]).accepted


def test_the_example_defence_has_other_captures_than_the_match(built: Callable[[str], Built]) -> None:
    """It must not give the labels of the practice match away: no trace of it has the times of a test trace."""
    folder = built("small").folder
    with zipfile.ZipFile(folder / EXAMPLE_DEFENCE) as archive:
        example = pl.read_csv(archive.read(archive.namelist()[0]))
    with zipfile.ZipFile(folder / "test.csv.zip") as archive:
        test = pl.read_csv(archive.read("test.csv"))
    known = set(example.filter(pl.col("timestamp") > 0)["timestamp"])
    shared = test.filter(pl.col("timestamp") > 0)["timestamp"].is_in(known).mean()
    assert isinstance(shared, float)
    assert shared < 0.01


def test_a_guess_knows_every_class() -> None:
    rules = rules_of("small")
    traffic = house_traffic(rules, 5, lambda traces, _seed: traces)
    test = traffic.filter(pl.col("rep") == 0).select(
        team_id=pl.lit(0), capture_id=pl.col("cell_id") + 10, direction_size="direction_size", timestamp="timestamp"
    )
    guesses = guess(traffic, test, rules)
    assert guesses.columns == ["team_id", "capture_id", *(f"proba_class_{number}" for number in range(1, 5))]
    assert guesses["capture_id"].to_list() == [11, 12, 13, 14]
    chances = guesses.select(pl.col("^proba_.*$")).to_numpy()
    assert chances.sum(axis=1) == pytest.approx(1.0)
    assert (chances.argmax(axis=1) == [0, 1, 2, 3]).sum() >= 3


def test_impossible_rules_are_told(tmp_path: Path) -> None:
    """Packets of one byte, and a median of a kilobyte: no capture has both."""
    tables = (
        '[classes]\ncount = 2\n[traces]\nsize_max_bytes = 1\nplausibility = "reject"\n'
        "[split]\ntest_traces = 2\ntest_pool = 2"
    )
    with pytest.raises(InputError, match="No defence of the house satisfies the rules of this race: The median volume"):
        made(read_rules(RACE.format(tables=tables)), tmp_path)

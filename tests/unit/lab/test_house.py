"""The house's practice match and its examples: they pass as they are, whatever the rules of a race ask for."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from srs.errors import InputError
from srs.game.race import RaceRules, read_rules
from srs.judging.attack import check_attack, judge_predictions
from srs.judging.defence import judge_defence
from srs.judging.key import MatchKey, read_key
from srs.judging.task import DefenceTask, HouseTask
from srs.lab import house
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
    "tiny uploads": "[classes]\ncount = 40\n[traces]\nupload_max_mb = 1\nunpacked_max_mb = 1",
    "the demo's": "[classes]\ncount = 24\n[traces]\nrepetitions = [8, 16]\n[split]\ntest_traces = 72\ntest_pool = 72",
    "100 classes": "",
}
# A race may ask for test sets that nobody needs to practise on.
LARGE = "[classes]\ncount = 2\n[traces]\nrepetitions = [1200, 1300]\n[split]\ntest_traces = 2000\ntest_pool = 2000"
KEY = bytes(range(32))


def rules_of(variant: str) -> RaceRules:
    return read_rules(RACE.format(tables=VARIANTS[variant]))


def made(rules: RaceRules, folder: Path, key: bytes = KEY) -> House:
    folder.mkdir(exist_ok=True)
    ids = list(range(1000, 1000 + rules.split.test_traces))
    return make_house(HouseTask(rules=rules, race="variant", key=key, capture_ids=ids), folder)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_examples_pass_as_they_are(variant: str, tmp_path: Path) -> None:
    """An example defence and an example attack to download, which pass as they are."""
    rules = rules_of(variant)
    found = made(rules, tmp_path / "house")
    house_folder = tmp_path / "house"
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
    key = read_key(HOUSE_TEAM, house_folder / found.labels)
    attack = judge_predictions(house_folder / EXAMPLE_ATTACK, "mine.csv.zip", rules, [key])
    assert (attack.accepted, attack.report.problems) == (True, ())
    assert attack.matches[HOUSE_TEAM].final == found.baseline
    assert found.baseline["traces"] == rules.split.test_traces
    assert key.is_public.all(), "nothing is kept back in practice"
    assert check_attack(house_folder / EXAMPLE_ATTACK, "mine.csv.zip", house_folder, rules).accepted


def test_a_large_test_set_is_not_made_to_practise_on(tmp_path: Path) -> None:
    rules = read_rules(RACE.format(tables=LARGE))
    found = made(rules, tmp_path)
    assert found.baseline["traces"] == 1000
    assert len(read_key(HOUSE_TEAM, tmp_path / found.labels).capture_ids) == 1000


def test_the_rules_names_are_used(tmp_path: Path) -> None:
    rules = rules_of("named")
    made(rules, tmp_path)
    assert pl.read_parquet(tmp_path / "train.parquet").columns[0] == "page"
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# Practice: a match against the house\n")
    assert "the same for everyone who practises" in readme
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["round"], manifest["team_id"]) == (None, HOUSE_TEAM)


def test_a_job_done_again_makes_the_same_files(tmp_path: Path) -> None:
    rules = rules_of("small")
    first, again = made(rules, tmp_path / "first"), made(rules, tmp_path / "again")
    other = made(rules, tmp_path / "other", key=bytes(32))
    assert first == again
    for name in (*first.files.values(), first.labels):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    assert (tmp_path / "first/train.parquet").read_bytes() != (tmp_path / "other/train.parquet").read_bytes()
    assert other.baseline != first.baseline


def test_it_leaves_something_to_find(tmp_path: Path) -> None:
    """The house's own attack is better than chance, an honest one is better still, and neither is always right."""
    rules = rules_of("the demo's")
    found = made(rules, tmp_path)
    train, test = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("train", "test"))
    trees = predict(train, test, "trees", 1, classes=24)
    trees.write_csv(tmp_path / "trees.csv", float_precision=6)
    judged = judge_predictions(tmp_path / "trees.csv", "trees.csv", rules, [key_of(found, tmp_path)])
    reached = judged.matches[HOUSE_TEAM].final["accuracy"]
    assert 3 / 24 < found.baseline["accuracy"] < reached < 0.95
    assert reached > 0.5


def key_of(found: House, folder: Path) -> MatchKey:
    return read_key(HOUSE_TEAM, folder / found.labels)


def test_the_script_runs_on_the_downloaded_files(tmp_path: Path) -> None:
    """As a participant would: the script and the files in one folder, nothing else."""
    rules = rules_of("small")
    found = made(rules, tmp_path / "house")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name in ("train.csv.zip", "test.csv.zip", "example_attack.py"):
        (bundle / name).write_bytes((tmp_path / "house" / name).read_bytes())
    command = [sys.executable, "-I", str(bundle / "example_attack.py"), str(bundle), "-o", str(bundle / "out.csv")]
    subprocess.run(command, check=True, capture_output=True)
    key = key_of(found, tmp_path / "house")
    assert judge_predictions(bundle / "out.csv", "out.csv", rules, [key]).accepted


def test_the_example_defence_has_other_captures_than_the_match(tmp_path: Path) -> None:
    """It must not give the labels of the practice match away: no trace of it has the times of a test trace."""
    rules = rules_of("small")
    made(rules, tmp_path)
    with zipfile.ZipFile(tmp_path / EXAMPLE_DEFENCE) as archive:
        example = pl.read_csv(archive.read(archive.namelist()[0]))
    test = pl.read_csv(zipfile.ZipFile(tmp_path / "test.csv.zip").read("test.csv"))
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


def test_it_needs_no_scikit_learn() -> None:
    """A server without the ``lab`` extra makes practice matches, too."""
    check = f"import sys; sys.modules['sklearn'] = None; import {house.__name__}"
    subprocess.run([sys.executable, "-c", check], check=True)

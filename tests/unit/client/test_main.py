"""The commands inside this process; ``tests/functional/test_srs_check.py`` runs them as participants do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.commands import checks_here
from srs.client.main import main
from srs.lab.simulate import simulate
from worlds.captures import pcap, visit

RACE = """
slug = "two-cells"
title = "Two cells"
[joining]
how = "open"
[classes]
count = 2
[traces]
repetitions = [2, 9]
[split]
test_traces = 2
test_pool = 2
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "race.toml").write_text(RACE)
    simulate(2, 3, seed=1).write_csv(tmp_path / "defence.csv")
    (tmp_path / "test.csv").write_text("team_id,capture_id,direction_size,timestamp\n4,8,576,0\n4,9,-576,0.1\n")
    (tmp_path / "attack.csv").write_text("team_id,capture_id,proba_class_1,proba_class_2\n4,8,0,1\n4,9,1,0\n")
    return tmp_path


def srs(*arguments: str | Path) -> Result:
    with checks_here():
        return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_defence(folder: Path) -> None:
    done = srs("check", "defence", folder / "defence.csv", "--race", folder / "race.toml", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["traces"] == 6
    assert srs("check", "defence", folder / "defence.csv").exit_code == 1


def test_an_attack(folder: Path) -> None:
    arguments = ("check", "attack", folder / "attack.csv", "--bundle", folder, "--race", folder / "race.toml")
    assert srs(*arguments).stdout == "attack.csv: accepted.\nMatch against team 4: 2 traces.\n"
    (folder / "attack.csv").write_text("team_id,capture_id,proba_class_1,proba_class_2\n4,8,0,1\n")
    done = srs(*arguments, "--json")
    assert done.exit_code == 1
    assert [each["code"] for each in json.loads(done.stdout)["problems"]] == ["attack.capture-missing"]


def test_a_folder_without_a_match_is_a_wrong_call(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = srs("check", "attack", folder / "attack.csv", "--bundle", tmp_path_factory.mktemp("empty"))
    assert done.exit_code == 2
    assert done.stderr.startswith("srs: There is no test.csv.zip")


def test_rules_that_are_none_are_a_wrong_call(folder: Path) -> None:
    done = srs("check", "defence", folder / "defence.csv", "--race", folder / "attack.csv")
    assert done.exit_code == 2
    assert "Invalid value for --race: This is not TOML" in done.stderr


def test_captures(folder: Path) -> None:
    (folder / "trace_1_grid_2.pcap").write_bytes(pcap(visit(9)))
    arguments = ("convert", folder, "--race", folder / "race.toml", "-o", folder / "new.csv.zip")
    done = srs(*arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{folder}/new.csv.zip: 1 trace of 1 cell, 9 packets.")
    assert srs(*arguments).exit_code == 2
    done = srs(*arguments, "--overwrite", "--json", "--client", "10.1.1.1")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["written"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        ("-o", "new.txt"),
        ("-o", "gone/new.csv"),
        ("-o", "new.csv", "--client", "somebody"),
        ("-o", "new.csv", "--pattern", "{class}", "--manifest", "race.toml"),
        ("-o", "new.csv", "--manifest", "race.toml"),
    ],
)
def test_captures_called_in_a_wrong_way(folder: Path, wrong: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert srs("convert", ".", *wrong).exit_code == 2
    assert not Path("new.csv").exists()


def test_the_version_is_told() -> None:
    assert srs("--version").stdout.startswith("srs 0.")

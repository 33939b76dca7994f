"""``srs check`` as participants run it; where a process of its own makes no difference, without one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fixtures.by_hand import utility_by_hand
from fixtures.commands import ABORTS, SRS, Done, srs, srs_here
from fixtures.reference import REAL_TRACES, REFERENCE, reads_real_captures
from fixtures.sizes import promised
from srs.client.checking import Check, checked
from srs.errors import InputError
from srs.game.race import read_rules
from srs.judging.defence import Verdict
from srs.lab.simulate import simulate

CLASSES = 4
RACE = f"""
slug = "four-cells"
title = "Four cells"
[joining]
how = "open"
[classes]
count = {CLASSES}
[traces]
repetitions = [3, 9]
[split]
test_traces = 4
test_pool = 4
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
"""


def as_json(done: Done) -> dict[str, Any]:
    verdict: dict[str, Any] = json.loads(done.stdout)
    assert verdict["accepted"] == (done.returncode == 0), done.stderr
    return verdict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A race, a defence that fits it, and two bundles of matches with an attack on both."""
    (tmp_path / "race.toml").write_text(RACE)
    simulate(CLASSES, 5, seed=1).write_csv(tmp_path / "defence.csv", float_precision=6)
    attacks = []
    for team_id in (2, 7):
        bundle = tmp_path / "bundles" / f"team-{team_id}"
        bundle.mkdir(parents=True)
        test = simulate(CLASSES, 1, seed=1, start=team_id).select(
            pl.lit(team_id).alias("team_id"), pl.col("cell_id").alias("capture_id") + 100, "direction_size", "timestamp"
        )
        test.with_columns((pl.col("timestamp") * 1e6).cast(pl.Int64)).write_parquet(bundle / "test.parquet")
        attacks.append(test.select("team_id", "capture_id").unique(maintain_order=True))
    chances = [pl.lit(1 / CLASSES).alias(f"proba_class_{k}") for k in range(1, CLASSES + 1)]
    pl.concat(attacks).with_columns(chances).write_csv(tmp_path / "attack.csv")
    return tmp_path


def test_a_defence_is_accepted(folder: Path) -> None:
    done = srs("check", "defence", "defence.csv", "--race", "race.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no progress bar where there is no terminal"
    assert done.stdout.startswith("defence.csv: accepted.\n20 traces, ")
    assert "Utility (srs2022): 5." in done.stdout
    verdict = as_json(srs_here("check", "defence", "defence.csv", "--race", "race.toml", "--json", cwd=folder))
    assert verdict["problems"] == []
    assert verdict["traces"] == 20
    assert verdict["packets"] == pl.read_csv(folder / "defence.csv").height
    metrics, utility = utility_by_hand((folder / "defence.csv").read_bytes())
    assert len(verdict["metrics"]) == 12
    assert verdict["metrics"] == pytest.approx(metrics, rel=1e-12)
    assert verdict["utility"] == pytest.approx(utility, rel=1e-12)
    assert f"Utility (srs2022): {verdict['utility']:.4f} of 10." in done.stdout


def test_a_faulty_defence_is_rejected_with_every_problem(folder: Path) -> None:
    lines = (folder / "defence.csv").read_text().splitlines()
    lines[7] = "1,0,0,0.5"
    lines[9] = "1,0,576"
    (folder / "faulty.csv").write_text("\n".join(lines))
    verdict = as_json(srs_here("check", "defence", "faulty.csv", "--race", "race.toml", "--json", cwd=folder))
    assert not verdict["accepted"]
    found = {(each["code"], each["line"], each["column"]) for each in verdict["problems"]}
    assert found == {("trace.size-zero", 8, "direction_size"), ("table.field-count", 10, None)}
    assert all(each["message"] for each in verdict["problems"])
    assert verdict["utility"] is verdict["metrics"] is verdict["traces"] is verdict["packets"] is None
    done = srs_here("check", "defence", "faulty.csv", "--race", "race.toml", cwd=folder)
    assert done.returncode == 1
    assert done.stdout.startswith("faulty.csv: rejected.\n")
    assert "A packet's size is 0 (1 line; trace.size-zero)\n  Line 8, column direction_size: " in done.stdout
    assert "  How to mend it: A size is the whole number of bytes of one packet" in done.stdout


def test_without_a_race_the_default_rules_hold(folder: Path) -> None:
    verdict = as_json(srs_here("check", "defence", "defence.csv", "--json", cwd=folder))
    assert not verdict["accepted"]
    assert any("No traces for cells 5, " in each["message"] for each in verdict["problems"])


def test_a_file_that_cannot_be_read_is_rejected(folder: Path) -> None:
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 and nothing more")
    (problem,) = as_json(srs_here("check", "defence", "broken.zip", "--json", cwd=folder))["problems"]
    assert problem["code"].startswith("file.")
    attack = srs_here("check", "attack", "broken.zip", "--bundle", "bundles", "--json", cwd=folder)
    assert as_json(attack)["problems"][0]["code"].startswith("file.")


def test_an_attack_is_accepted(folder: Path) -> None:
    arguments = ("check", "attack", "attack.csv", "--bundle", "bundles", "--race", "race.toml")
    verdict = as_json(srs_here(*arguments, "--json", cwd=folder))
    assert verdict["accepted"]
    assert verdict["matches"] == {"2": CLASSES, "7": CLASSES}
    assert verdict["traces"] == 2 * CLASSES
    done = srs_here(*arguments, cwd=folder)
    assert done.returncode == 0
    assert done.stdout == ("attack.csv: accepted.\nMatch against team 2: 4 traces.\nMatch against team 7: 4 traces.\n")


def test_an_incomplete_attack_is_rejected(folder: Path) -> None:
    table = pl.read_csv(folder / "attack.csv")
    table.head(-1).write_csv(folder / "attack.csv")
    arguments = ("check", "attack", "attack.csv", "--bundle", "bundles", "--race", "race.toml", "--json")
    (problem,) = as_json(srs_here(*arguments, cwd=folder))["problems"]
    assert (problem["code"], problem["message"]) == (
        "attack.capture-missing",
        "Team 7: 1 capture_id missing (104).",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "defence"], "Missing argument 'FILE'"),
        (["check", "defence", "absent.csv"], "does not exist"),
        (["check", "defence", "."], "is a directory"),
        (["check", "defence", "defence.csv", "--race", "attack.csv"], "Invalid value for --race: This is not TOML"),
        (["check", "attack", "attack.csv"], "Missing option '--bundle'"),
        (["check", "attack", "attack.csv", "--bundle", "empty"], "There is no test.csv.zip or test.parquet in empty"),
        (["chekc"], "No such command 'chekc'"),
    ],
)
def test_a_wrong_call_is_told_so(folder: Path, arguments: list[str], said: str) -> None:
    (folder / "empty").mkdir()
    done = srs_here(*arguments, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_call_of_the_installed_command_is_told_so(folder: Path) -> None:
    done = srs("check", "defence", "defence.csv", "--race", "attack.csv", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for --race: This is not TOML" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_in_a_file_moves_the_terminal(folder: Path) -> None:
    """S9, the client: escape sequences of a file's name and content are not printed."""
    name = "a\x1b[31mred\x07.csv"
    (folder / name).write_bytes(b"cell_id,rep,\x1b]0;title\x07,\xc2\x9b31m\n1,2,3,4\n")
    for run, extra in ((srs, []), (srs_here, ["--json"])):
        done = run("check", "defence", name, *extra, cwd=folder)
        assert done.returncode == 1
        assert (done.stdout + done.stderr).replace("\n", "").isprintable()


def test_on_a_terminal_a_bar_shows_that_it_works(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [SRS, "check", "defence", "defence.csv", "--race", "race.toml"]
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=theirs, check=False, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode(errors="replace")  # the terminal may hand over a part
    os.close(ours)
    assert done.returncode == 0
    assert "Checking defence.csv" in shown
    assert b"Checking" not in done.stdout


def test_help_answers_at_once(folder: Path) -> None:
    began = time.perf_counter()
    done = srs("--help")
    assert done.returncode == 0
    assert "check" in done.stdout
    probe = (
        "import sys, srs.client.main; print([m for m in ('polars', 'numpy', 'pydantic', 'rich') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
    assert time.perf_counter() - began < promised(5)


@reads_real_captures
def test_the_real_captures_are_accepted_with_the_reports_score() -> None:
    verdict = as_json(srs("check", "defence", REAL_TRACES, "--json"))
    assert verdict["accepted"]
    assert verdict["utility"] == pytest.approx(5.7299, abs=1e-4)
    expected = json.loads((REFERENCE / "utility_metrics.json").read_text(encoding="utf-8"))["secretstroll_tor"]
    assert (verdict["traces"], verdict["packets"]) == (expected["traces"], expected["packets"])
    for name, value in verdict["metrics"].items():
        assert value == pytest.approx(expected[name], rel=1e-12), name
    assert len(verdict["metrics"]) == 12


def test_a_file_that_ends_its_reader_is_damaged() -> None:
    """The command itself goes on, says so as the server does, and shows nothing of the reader's last words."""
    done = srs("check", "defence", ABORTS)
    assert done.returncode == 1
    assert "The file is damaged: reading it ended the program that reads it (SIGABRT)." in done.stdout
    assert done.stderr == ""


def test_a_check_that_ends_otherwise_is_no_verdict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match=r"^The check ended before there was a verdict \(status 1\)\. Is there enough"):
        checked(Check(path=folder / "defence.csv", rules=read_rules(RACE)), Verdict)

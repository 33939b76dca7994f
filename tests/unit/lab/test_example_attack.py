"""The script that students download, run as they would: alone, on a folder."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from srs.lab import example_attack
from srs.lab.simulate import simulate
from srs.scoring.attack import attack_metrics

SCRIPT = Path(example_attack.__file__)
CLASSES = 6


def write(table: pl.DataFrame, folder: Path, name: str, form: str) -> None:
    folder.mkdir(exist_ok=True)
    if form == "parquet":
        table.write_parquet(folder / f"{name}.parquet")
        return
    text = io.BytesIO()
    table.write_csv(text, float_precision=6)
    with zipfile.ZipFile(folder / f"{name}.csv.zip", "w") as archive:
        archive.writestr(f"{name}.csv", text.getvalue())


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two matches, one in each form that the server offers."""
    folder = tmp_path_factory.mktemp("bundles")
    for team_id, form in ((4, "csv.zip"), (9, "parquet")):
        traces = simulate(CLASSES, 10, seed=5, start=100 * team_id)
        is_training = pl.col("rep") % 100 < 7
        test = traces.filter(~is_training).with_columns(
            team_id=pl.lit(team_id), capture_id=pl.col("cell_id") * 1000 + pl.col("rep") % 100
        )
        write(traces.filter(is_training), folder / f"team-{team_id}", "train", form)
        columns = ["team_id", "capture_id", "direction_size", "timestamp"]
        write(test.select(columns), folder / f"team-{team_id}", "test", form)
    return folder


def test_it_attacks_every_match_of_a_folder(bundles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.csv"
    example_attack.main([str(bundles), "-o", str(output), "--seed", "1"])
    assert capsys.readouterr().out == f"36 test traces of 2 match(es) guessed: {output}\n"
    predictions = pl.read_csv(output)
    assert predictions.height == 2 * CLASSES * 3
    for _, match in predictions.group_by("team_id"):
        chances = match.select(f"proba_class_{k}" for k in range(1, CLASSES + 1)).to_numpy()
        truth = (match["capture_id"] // 1000).to_numpy()
        assert attack_metrics(chances, truth)["accuracy"] > 0.6


def test_it_needs_nothing_of_ours(bundles: Path, tmp_path: Path) -> None:
    """Run as a student does: a copy elsewhere, by a Python that looks for modules in its own libraries only."""
    imported = {
        line.split()[1].split(".")[0] for line in SCRIPT.read_text().splitlines() if line.startswith(("import", "from"))
    }
    assert imported <= {"__future__", "argparse", "zipfile", "pathlib", "numpy", "polars", "sklearn"}
    alone = tmp_path / SCRIPT.name
    alone.write_bytes(SCRIPT.read_bytes())
    command = [sys.executable, "-I", str(alone), str(bundles / "team-4")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert pl.read_csv(tmp_path / "predictions.csv").height == CLASSES * 3


@pytest.mark.parametrize("name", [".", "missing"])
def test_a_folder_without_a_match_is_told(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        example_attack.main([str(tmp_path / name)])
    assert stopped.value.code == 2
    assert "no train.csv.zip or train.parquet in" in capsys.readouterr().err

"""Classifiers: real ones, which know an undefended cell and not a well defended one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from srs.lab.attacks import KINDS, predict, write_predictions
from srs.lab.defences import tamaraw
from srs.lab.simulate import simulate
from srs.scoring.attack import attack_metrics

CLASSES, REPETITIONS, TRAINING = 10, 12, 8


def bundle(traces: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    is_training = pl.col("rep") < TRAINING
    test = traces.filter(~is_training).with_columns(
        team_id=pl.lit(4), capture_id=pl.col("cell_id") * 1000 + pl.col("rep")
    )
    return traces.filter(is_training), test.drop("cell_id", "rep")


def score(predictions: pl.DataFrame) -> tuple[float, float]:
    chances = predictions.select(pl.col("^proba_class_.*$")).to_numpy()
    metrics = attack_metrics(chances, (predictions["capture_id"] // 1000).to_numpy())
    assert metrics["auc"] is not None
    return metrics["accuracy"], metrics["auc"]


@cache
def undefended() -> pl.DataFrame:
    return simulate(CLASSES, REPETITIONS, seed=11)


@cache
def guessed(kind: str) -> pl.DataFrame:
    return predict(*bundle(undefended()), kind, 1, classes=CLASSES)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_attack_knows_undefended_cells(kind: str) -> None:
    predictions = guessed(kind)
    assert predictions.columns == ["team_id", "capture_id", *(f"proba_class_{k}" for k in range(1, CLASSES + 1))]
    chances = predictions.select(pl.col("^proba_class_.*$")).to_numpy()
    assert np.allclose(chances.sum(axis=1), 1)
    accuracy, auc = score(predictions)
    assert accuracy > 0.6
    assert auc > 0.9
    assert predictions.equals(predict(*bundle(undefended()), kind, 1, classes=CLASSES)), "the seed decides"


def test_a_strong_defence_costs_it_most_of_that() -> None:
    train, test = bundle(tamaraw(undefended(), 0))
    plain = score(guessed("forest"))
    defended = score(predict(train, test, "forest", 1, classes=CLASSES))
    assert defended[0] < plain[0] / 2
    assert defended[1] < plain[1] - 0.1


def test_another_class_column_and_an_absent_class() -> None:
    train, test = bundle(undefended())
    train = train.rename({"cell_id": "page"}).filter(pl.col("page") != 3)
    predictions = predict(train, test, "bayes", 0, classes=CLASSES + 1, class_column="page")
    assert (predictions["proba_class_3"] == 0).all()
    assert (predictions[f"proba_class_{CLASSES + 1}"] == 0).all()


def test_predictions_are_written_as_csv(tmp_path: Path) -> None:
    table = pl.DataFrame({"team_id": [4], "capture_id": [7], "proba_class_1": [1 / 3], "proba_class_2": [2 / 3]})
    write_predictions(table, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        "team_id,capture_id,proba_class_1,proba_class_2",
        "4,7,0.333333,0.666667",
    ]

"""Charts of an attack: the numbers in their tables against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score, top_k_accuracy_score

from srs.judging.curves import curves
from srs.lab.plots.attack import (
    RANKS_SHOWN,
    accuracy_by_class,
    attack_charts,
    calibration,
    confusion,
    roc,
    true_rank,
)
from srs.lab.plots.chart import Classes
from worlds.pictures import guesses, small_curves

CLASSES, TRACES = 14, 168
NAMES = Classes("page", [f"page {letter}" for letter in "abcdefghijklmn"])


def test_accuracy_by_class_is_the_recall() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    guessed = probabilities.argmax(axis=1) + 1
    chart = accuracy_by_class(curves(probabilities, truth), NAMES)
    recall = recall_score(truth, guessed, average=None)
    assert {row[0]: row[1] for row in chart.rows} == pytest.approx(dict(zip(NAMES.names, recall, strict=True)))
    assert {row[2] for row in chart.rows} == {TRACES // CLASSES}
    assert f"{100 * accuracy_score(truth, guessed):.1f}\N{NO-BREAK SPACE}% of 168 traces" in chart.alt


def test_true_rank_adds_up_to_the_top_k_accuracy() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    chart = true_rank(curves(probabilities, truth), NAMES)
    labels = list(range(1, CLASSES + 1))
    for rank, _, _, so_far in chart.rows[:RANKS_SHOWN]:
        expected = top_k_accuracy_score(truth, probabilities, k=int(str(rank)), labels=labels)
        assert so_far == pytest.approx(expected, abs=1e-6)
    assert chart.rows[-1][0] == f"{RANKS_SHOWN + 1}–{CLASSES}"
    assert chart.rows[-1][3] == pytest.approx(1)
    assert [true_rank(small_curves(count), NAMES).rows[-1][0] for count in (4, 10, 11)] == ["4", "10", "11"]


def test_roc_has_scikit_learns_areas() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    curve = curves(probabilities, truth).roc
    assert curve is not None
    is_class = truth[:, np.newaxis] == np.arange(1, CLASSES + 1)
    chart = roc(curve)
    for average in ("macro", "micro"):
        assert f"{roc_auc_score(is_class, probabilities, average=average):.3f}" in chart.alt
    assert len(chart.rows) == len(curve.fpr)
    [at_a_tenth] = [row for row in chart.rows if row[0] == pytest.approx(0.1)]
    middle, low, high = (f"{100 * rate:.1f}\N{NO-BREAK SPACE}%" for rate in at_a_tenth[1:4])
    assert f"{middle} (95 % band {low} to {high})" in chart.alt


def test_calibration_is_scikit_learns() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    right = probabilities.argmax(axis=1) + 1 == truth
    accuracy, confidence = calibration_curve(right, probabilities.max(axis=1), n_bins=10)
    chart = calibration(curves(probabilities, truth))
    assert [row[1] for row in chart.rows] == pytest.approx(confidence)
    assert [row[2] for row in chart.rows] == pytest.approx(accuracy)
    assert sum(int(row[3] or 0) for row in chart.rows) == TRACES
    lowest = int(probabilities.max(axis=1).min() * 10)
    assert chart.rows[0][0] == f"{10 * lowest} to {10 * lowest + 10} %"


def test_confusion_lists_the_errors_largest_first() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    chart = confusion(curves(probabilities, truth), NAMES)
    guessed = probabilities.argmax(axis=1) + 1
    pairs: dict[tuple[str, str], int] = {}
    for true, guess in zip(truth, guessed, strict=True):
        if true != guess:
            pair = (NAMES.name(true), NAMES.name(guess))
            pairs[pair] = pairs.get(pair, 0) + 1
    assert {(row[0], row[1]): row[2] for row in chart.rows} == pairs
    counts = [row[2] for row in chart.rows]
    assert counts == sorted(counts, reverse=True)
    first = chart.rows[0]
    assert f"most often {first[0]} was taken for {first[1]} ({first[2]:.3g} times)" in chart.alt


def test_a_perfect_attack_has_an_empty_table_of_errors() -> None:
    truth = np.arange(40) % 4 + 1
    chart = confusion(curves(np.eye(4)[truth - 1], truth), NAMES)
    assert chart.rows == ()
    assert chart.alt == "Every one of 40 traces is on the diagonal: guessed right."


def test_many_classes_are_numbered_few_are_named() -> None:
    few, many = (confusion(small_curves(count, 3 * count), Classes("cell", ["x"] * count)) for count in (30, 31))
    assert few.spec["encoding"]["x"]["field"] == "guessed name"
    assert many.spec["encoding"]["x"]["field"] == "guessed"


def test_one_class_alone_has_no_roc() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    names = [chart.name for chart in attack_charts(curves(probabilities, truth), NAMES)]
    assert names == ["accuracy-by-class", "true-rank", "confusion", "roc", "calibration"]
    alone = attack_charts(curves(probabilities[truth == 3], truth[truth == 3]), NAMES)
    assert [chart.name for chart in alone] == ["accuracy-by-class", "true-rank", "confusion", "calibration"]

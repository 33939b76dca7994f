"""The curves of an attack, against scikit-learn and against the metrics of the same attack."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from srs.judging.curves import ROC_GRID, curves, read_curves, write_curves
from srs.scoring.attack import attack_metrics
from srs.scoring.intervals import intervals
from worlds.pictures import guesses

CLASSES, TRACES = 7, 91


def rounded(probabilities: np.ndarray) -> np.ndarray:
    """With many ties."""
    coarse = np.round(probabilities * 8) + 0.5
    return coarse / coarse.sum(axis=1, keepdims=True)


def upper(fpr: np.ndarray, tpr: np.ndarray) -> np.ndarray:
    """A ROC curve of scikit-learn on the grid; where it is vertical its upper end."""
    return np.interp(ROC_GRID + 1e-9, fpr, tpr)


@pytest.mark.parametrize("with_ties", [False, True])
def test_roc_against_scikit_learn(with_ties: bool) -> None:
    """The mean of the classes' curves, the curve of all pairs, and the areas under both."""
    probabilities, truth = guesses(CLASSES, TRACES)
    if with_ties:
        probabilities = rounded(probabilities)
    is_class = truth[:, np.newaxis] == np.arange(1, CLASSES + 1)
    found = curves(probabilities, truth).roc
    assert found is not None
    of_classes = [
        upper(*roc_curve(is_class[:, one], probabilities[:, one], drop_intermediate=False)[:2])
        for one in range(CLASSES)
    ]
    all_pairs = roc_curve(is_class.ravel(), probabilities.ravel(), drop_intermediate=False)
    assert found.macro == pytest.approx(np.mean(of_classes, axis=0), abs=2e-6)
    assert found.micro == pytest.approx(upper(*all_pairs[:2]), abs=2e-6)
    assert found.macro_auc == pytest.approx(roc_auc_score(is_class, probabilities, average="macro"), abs=1e-12)
    assert found.micro_auc == pytest.approx(roc_auc_score(is_class, probabilities, average="micro"), abs=1e-12)


def test_the_band_is_around_the_curve_and_as_wide_as_the_interval() -> None:
    """Its mean width agrees with the bootstrap interval of the area under the curve, within the noise of 200 draws."""
    probabilities, truth = guesses(CLASSES, 400, seed=3)
    found = curves(probabilities, truth, seed=5).roc
    assert found is not None
    low, middle, high = (np.array(part) for part in (found.low, found.macro, found.high))
    assert (low <= high).all()
    assert np.mean((low <= middle) & (middle <= high)) > 0.9
    ends = intervals(probabilities, truth, 5)["auc"]
    assert ends is not None
    area = np.trapezoid(high - low, ROC_GRID)
    assert (ends[1] - ends[0]) <= area <= 2.5 * (ends[1] - ends[0])
    assert curves(probabilities, truth, seed=5).roc == found
    other = curves(probabilities, truth, seed=6).roc
    assert other is not None
    assert (other.macro, other.low != found.low) == (found.macro, True)


def test_calibration_against_scikit_learn() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    found = curves(probabilities, truth)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) + 1 == truth
    accuracy, mean = calibration_curve(right, confidence, n_bins=10)
    assert [one.accuracy for one in found.calibration] == pytest.approx(accuracy)
    assert [one.confidence for one in found.calibration] == pytest.approx(mean)
    assert [one.traces for one in found.calibration] == [
        int(((confidence > one.tenth / 10) & (confidence <= (one.tenth + 1) / 10)).sum()) for one in found.calibration
    ]
    sizes = np.array([one.traces for one in found.calibration])
    assert sizes.sum() == TRACES
    assert found.calibration_error == pytest.approx((np.abs(accuracy - mean) * sizes).sum() / TRACES)


def test_confusion_against_scikit_learn() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    expected = confusion_matrix(truth, probabilities.argmax(axis=1) + 1, labels=range(1, CLASSES + 1))
    matrix = np.zeros((CLASSES, CLASSES))
    for one in curves(probabilities, truth).confusion:
        matrix[one.true - 1, one.guessed - 1] += one.traces
        assert one.traces > 0
    assert (matrix == expected).all()


@pytest.mark.parametrize("with_ties", [False, True])
def test_the_same_attack_has_the_same_metrics(with_ties: bool) -> None:
    """Ranks add up to the top-k accuracies and the mean rank, classes to the accuracy."""
    probabilities, truth = guesses(CLASSES, TRACES)
    if with_ties:
        probabilities = rounded(probabilities)
    found, metrics = curves(probabilities, truth), attack_metrics(probabilities, truth)
    assert sum(found.ranks) == pytest.approx(TRACES)
    for k, name in ((1, "accuracy"), (3, "top_3"), (5, "top_5")):
        assert sum(found.ranks[:k]) / TRACES == pytest.approx(metrics[name], abs=1e-6)
    assert np.dot(found.ranks, np.arange(1, CLASSES + 1)) / TRACES == pytest.approx(metrics["mean_rank"], abs=1e-5)
    assert found.accuracy == pytest.approx(metrics["accuracy_per_class"])
    assert found.sizes == np.bincount(truth)[1:].tolist()


def test_the_order_of_the_traces_does_not_matter() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    shuffled = np.random.default_rng(1).permutation(TRACES)
    assert curves(probabilities[shuffled], truth[shuffled]) == curves(probabilities, truth)


def test_classes_without_a_trace_and_one_class_alone() -> None:
    probabilities, truth = guesses(CLASSES, TRACES)
    some = curves(probabilities[truth > 2], truth[truth > 2])
    assert some.accuracy[:2] == [None, None]
    alone = curves(probabilities[truth == 2], truth[truth == 2])
    assert alone.roc is None
    assert alone.traces == 13


def test_they_survive_json_and_are_small() -> None:
    found = curves(*guesses(100, 300))
    assert read_curves(write_curves(found)) == found
    assert len(write_curves(found)) < 40_000
    with pytest.raises(ValueError, match="validation error"):
        read_curves(b"{}")

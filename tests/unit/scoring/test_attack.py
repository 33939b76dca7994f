"""Attack metrics against scikit-learn's vectors, against hand-made cases, and at their edges."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from fixtures.reference import REFERENCE
from srs.scoring import attack

VECTORS = json.loads((REFERENCE / "attack_metrics.json").read_text(encoding="utf-8"))["cases"]


def case(rows: list[list[float]], truth: list[int]) -> tuple[attack.Floats, attack.Ints]:
    return np.array(rows, dtype=float), np.array(truth, dtype=np.int64)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_reference_vectors(vector: dict[str, Any]) -> None:
    metrics = attack.attack_metrics(*case(vector["predicted"], vector["truth"]))
    expected = vector["expected"]
    assert metrics["traces"] == vector["n"]
    for ours, theirs in [("auc", "roc_auc_macro_ovr"), *((k, k) for k in expected if k in metrics)]:
        assert metrics[ours] == pytest.approx(expected[theirs], rel=1e-12), ours  # type: ignore[literal-required]
    for ours, theirs in zip(metrics["auc_per_class"], expected["roc_auc_per_class"], strict=True):
        assert (ours is None) == (theirs is None or math.isnan(theirs))
        assert ours is None or ours == pytest.approx(theirs, rel=1e-12)


def test_a_perfect_attack() -> None:
    metrics = attack.attack_metrics(np.eye(4)[[0, 1, 2, 3, 0]], np.array([1, 2, 3, 4, 1]))
    assert (metrics["auc"], metrics["accuracy"], metrics["mean_rank"]) == (1.0, 1.0, 1.0)
    assert metrics["log_loss"] == 0.0
    assert metrics["bits_leaked"] == pytest.approx(2 + math.log2(0.99 + 0.01 / 4), rel=1e-12)
    assert metrics["confusions"] == []


def test_a_uniform_row_gets_exactly_its_fair_share() -> None:
    metrics = attack.attack_metrics(np.full((20, 20), 0.05), np.arange(1, 21))
    assert metrics["auc"] == 0.5
    assert [metrics[k] for k in ("accuracy", "top_3", "top_5", "top_10")] == pytest.approx(  # type: ignore[literal-required]
        [1 / 20, 3 / 20, 5 / 20, 10 / 20], rel=1e-12
    )
    assert metrics["mean_rank"] == 10.5
    assert metrics["bits_leaked"] == pytest.approx(0.0, abs=1e-12)
    assert metrics["log_loss"] == pytest.approx(math.log(20), rel=1e-12)


def test_a_zero_for_the_truth_costs_a_bounded_number_of_bits() -> None:
    metrics = attack.attack_metrics(*case([[1.0, 0.0], [1.0, 0.0]], [2, 2]))
    assert metrics["log_loss"] == pytest.approx(52 * math.log(2), rel=1e-12)
    assert metrics["bits_leaked"] == pytest.approx(1 + math.log2(0.005), rel=1e-12)


def test_absent_classes_are_left_out() -> None:
    rows, truth = case([[0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.7, 0.3, 0.0]], [1, 2, 2])
    metrics = attack.attack_metrics(rows, truth)
    assert metrics["auc_per_class"] == [0.5, 0.5, None]
    assert metrics["auc"] == 0.5
    assert metrics["accuracy_per_class"] == [1.0, 0.25, None]
    assert metrics["best_classes"] == [1, 2]
    assert metrics["worst_classes"] == [2, 1]


def test_one_class_alone_has_no_auc() -> None:
    rows, truth = case([[0.6, 0.4], [0.3, 0.7]], [1, 1])
    assert attack.macro_auc(rows, truth) is None
    metrics = attack.attack_metrics(rows, truth)
    assert metrics["auc"] is None
    assert metrics["auc_per_class"] == [None, None]
    assert metrics["accuracy"] == 0.5


def test_confusions_name_the_largest_errors_first() -> None:
    rows, truth = case([[0.1, 0.9, 0.0]] * 3 + [[0.0, 0.4, 0.6], [0.45, 0.1, 0.45]], [1, 1, 1, 2, 3])
    matrix = attack.confusion_matrix(rows, truth)
    assert matrix.tolist() == [[0, 3, 0], [0, 0, 1], [0.5, 0, 0.5]]
    assert attack.attack_metrics(rows, truth)["confusions"] == [
        {"true": 1, "guessed": 2, "traces": 3.0},
        {"true": 2, "guessed": 3, "traces": 1.0},
        {"true": 3, "guessed": 1, "traces": 0.5},
    ]


def test_many_traces_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    rows, truth = rng.integers(0, 5, (90, 7)) / 5, rng.integers(1, 8, 90)
    whole = attack.class_auc(rows, truth)
    monkeypatch.setattr(attack, "_BLOCK_CELLS", 1000)
    assert len(list(attack.duels(rows, truth))) == 9
    assert np.array_equal(attack.class_auc(rows, truth), whole)


def test_metrics_are_ready_for_json() -> None:
    rng = np.random.default_rng(3)
    metrics = attack.attack_metrics(rng.dirichlet(np.ones(30), 60), rng.integers(1, 31, 60))
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert len(metrics["confusions"]) == 20
    assert len(metrics["best_classes"]) == len(metrics["worst_classes"]) == 5

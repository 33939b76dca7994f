"""The bootstrap: honest about chance, the same twice, and equal to resampling by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from srs.scoring import intervals as module
from srs.scoring.attack import Floats, Ints, attack_metrics, canonical_order, macro_auc
from srs.scoring.intervals import intervals


def some_attack(seed: int, traces: int = 300, classes: int = 100, skill: float = 0.02) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    truth = np.arange(traces) % classes + 1
    rows = rng.dirichlet(np.full(classes, 0.3), traces)
    rows[np.arange(traces), truth - 1] += skill
    return rows / rows.sum(axis=1, keepdims=True), truth


def test_an_interval_holds_its_score_and_has_the_expected_width() -> None:
    rows, truth = some_attack(1, skill=0.05)
    scores, ends = attack_metrics(rows, truth), intervals(rows, truth, seed=9)
    assert ends["auc"] is not None
    assert ends["auc"][0] < scores["auc"] < ends["auc"][1]  # type: ignore[operator]
    assert ends["accuracy"][0] < scores["accuracy"] < ends["accuracy"][1]
    assert 0.001 < ends["auc"][1] - ends["auc"][0] < 0.04
    assert 0.02 < ends["accuracy"][1] - ends["accuracy"][0] < 0.12
    assert json.loads(json.dumps(ends)) == {k: list(v) for k, v in ends.items()}  # type: ignore[call-overload]


def test_replicates_equal_resampling_by_hand() -> None:
    rows, truth = some_attack(4, traces=60, classes=11, skill=0.3)
    order = canonical_order(rows, truth)
    rows, truth = rows[order], truth[order]
    weights = module.resample(np.bincount(truth - 1), seed=3, replicates=25)
    fast = module._replicated_auc(rows, truth, weights)
    for weight, auc in zip(weights, fast, strict=True):
        drawn = np.repeat(np.arange(60), weight.astype(int))
        assert np.array_equal(truth[drawn], truth), "each class keeps its number of traces"
        assert auc == pytest.approx(macro_auc(rows[drawn], truth[drawn]), rel=1e-12)


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    rows, truth = some_attack(6, traces=90, classes=9)
    shuffle = np.random.default_rng(0).permutation(90)
    assert intervals(rows, truth, seed=1) == intervals(rows[shuffle], truth[shuffle], seed=1)
    assert intervals(rows, truth, seed=1) != intervals(rows, truth, seed=2)


def test_one_class_alone_has_no_interval_of_auc() -> None:
    rows, truth = some_attack(6, traces=5, classes=3)
    ends = intervals(rows, np.full_like(truth, 2), seed=1)
    assert ends["auc"] is None
    assert 0.0 <= ends["accuracy"][0] <= ends["accuracy"][1] <= 1.0


def test_absent_classes_do_not_matter() -> None:
    rows, truth = some_attack(8, traces=40, classes=4)
    wider = np.hstack([rows, np.zeros((40, 3))])
    assert intervals(wider, truth, seed=5) == intervals(rows, truth, seed=5)

"""What a score promises: bounds, no gain by cost, equality with scikit-learn, no memory of order."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fixtures.sizes import record, size
from srs.scoring.attack import Floats, Ints, attack_metrics, class_auc, macro_auc
from srs.scoring.intervals import intervals
from srs.scoring.schemes import srs2022_utility
from srs.scoring.utility import utility_metrics


def random_traces(rng: np.random.Generator, traces: int) -> tuple[Floats, Floats, Floats]:
    """Volumes and durations of small random traces: packets of a byte, empty directions, no duration at all."""
    scale = 10.0 ** rng.uniform(0, 4.8)
    packets = rng.integers(1, 40, traces)
    sent = rng.binomial(packets, rng.uniform(0, 1))
    duration = np.where(rng.random(traces) < 0.2, 0.0, 10.0 ** rng.uniform(-6, 2.8, traces))
    mean = np.maximum(1, np.round(rng.uniform(1, scale + 1, traces)))
    return (packets - sent) * mean, sent * mean, duration


def test_utility_is_bounded_and_cost_never_pays() -> None:
    """G3: finite, within [0, 10], never better when bytes or time grow."""
    rng = np.random.default_rng(20270413)
    traces = tried = 0
    while traces < size(10_000, 100_000):
        columns = random_traces(rng, int(rng.integers(1, 60)))
        traces += columns[0].size
        utility, implausible = srs2022_utility(utility_metrics(*columns))
        assert math.isfinite(utility)
        assert 0.0 <= utility <= 10.0
        assert implausible <= (utility == 10.0)
        for grown in range(3):
            dearer = [column.copy() for column in columns]
            some = rng.random(columns[0].size) < rng.uniform(0, 1)
            dearer[grown][some] = dearer[grown][some] * rng.uniform(1, 30) + rng.integers(0, 3)
            assert srs2022_utility(utility_metrics(*dearer))[0] <= utility
            tried += 1
    record("G3", traces, note=f"random traces; {tried} dearer variants, none better")


def random_attack(rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Few or many classes, absent ones, ties by rounding, all degrees of skill."""
    classes, traces = int(rng.integers(3, 40)), int(rng.integers(6, 200))
    truth = rng.integers(1, classes + 1, traces)
    rows = rng.dirichlet(np.full(classes, rng.uniform(0.1, 3)), traces)
    rows[np.arange(traces), truth - 1] += rng.uniform(0, 1)
    if rng.random() < 0.5:
        rows = np.round(rows, int(rng.integers(1, 4)))
        rows[:, 0] += rows.sum(axis=1) == 0
    return rows / rows.sum(axis=1, keepdims=True), truth


def test_auc_equals_scikit_learn() -> None:
    """G5: one-vs-rest ROC-AUC of each class, and their mean, to 1e-12."""
    rng, compared, largest = np.random.default_rng(7), 0, 0.0
    for _ in range(size(20, 1000)):
        rows, truth = random_attack(rng)
        ours = class_auc(rows, truth)
        # Classes one by one, for scikit-learn's own macro average refuses a test set with absent classes.
        theirs = [
            roc_auc_score(truth == k + 1, rows[:, k]) if 0 < (truth == k + 1).sum() < truth.size else math.nan
            for k in range(0, rows.shape[1], 4)
        ]
        np.testing.assert_allclose(ours[::4], theirs, rtol=1e-12, atol=0)
        largest = max(largest, float(np.nanmax(np.abs(ours[::4] - theirs), initial=0.0)))
        compared += 1
        mean = macro_auc(rows, truth)
        assert mean == pytest.approx(float(np.nanmean(ours)), rel=1e-12)
        if len(np.unique(truth)) == rows.shape[1]:
            assert mean == pytest.approx(roc_auc_score(truth, rows, multi_class="ovr"), rel=1e-12)
    record("G5", compared, note=f"random cases against scikit-learn; largest difference {largest:.1e}")


def test_auc_of_the_plain_strategies() -> None:
    """G5: uniform and constant guesses 0.5, the truth 1, reversed predictions 1 - AUC."""
    rng = np.random.default_rng(8)
    for _ in range(size(60, 200)):
        rows, truth = random_attack(rng)
        traces, classes = rows.shape
        if len(np.unique(truth)) < 2:
            continue
        assert macro_auc(np.full_like(rows, 1 / classes), truth) == 0.5
        assert macro_auc(np.tile(rows[0], (traces, 1)), truth) == 0.5
        assert macro_auc(np.eye(classes)[truth - 1], truth) == 1.0
        assert attack_metrics(np.eye(classes)[truth - 1], truth)["accuracy"] == 1.0
        rows = np.round(rows * 1024) / 1024  # so that 1 - p is exact and makes no new ties
        reversed_auc = class_auc(1 - rows, truth)
        np.testing.assert_allclose(reversed_auc, 1 - class_auc(rows, truth), rtol=0, atol=1e-12)


def test_scores_do_not_remember_the_order_of_rows() -> None:
    """R13, the arithmetic: equal bit for bit under permutations of the rows."""
    rng = np.random.default_rng(9)
    rows, truth = random_attack(rng)
    rows[1], truth[1] = rows[0], truth[0]
    text = json.dumps([attack_metrics(rows, truth), intervals(rows, truth, seed=3)])
    permutations = size(12, 1000)
    for _ in range(permutations):
        order = rng.permutation(truth.size)
        again = [attack_metrics(rows[order], truth[order]), intervals(rows[order], truth[order], seed=3)]
        assert json.dumps(again) == text
    record("R13", permutations, note="permutations of rows, every metric and interval bit for bit (arithmetic)")

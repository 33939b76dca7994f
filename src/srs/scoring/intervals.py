"""How far chance could have moved an attack's score: a bootstrap over traces, stratified by class."""

from __future__ import annotations

from typing import Final, TypedDict

import numpy as np

from srs.scoring.attack import (
    Floats,
    Ints,
    canonical_order,
    class_sizes,
    duels,
    standing,
    top_shares,
)

REPLICATES: Final = 1000
LEVEL: Final = 0.95


class Intervals(TypedDict):
    """Lower and upper end; ``auc`` is None where the AUC itself is undefined."""

    auc: tuple[float, float] | None
    accuracy: tuple[float, float]


def intervals(probabilities: Floats, truth: Ints, seed: int, *, replicates: int = REPLICATES) -> Intervals:
    """95 % intervals of macro ROC-AUC and accuracy: percentiles over ``replicates`` resamples of the traces.

    Arguments as in ``srs.scoring.attack``. Each replicate draws, with replacement, as many traces of each class as
    there are (Efron and Tibshirani 1993, ch. 8 and 13). The same seed gives the same intervals for any order of
    the rows.
    """
    order = canonical_order(probabilities, truth)
    probabilities, truth = probabilities[order], truth[order]
    sizes = class_sizes(truth, probabilities.shape[1])
    weights = resample(sizes[sizes > 0], seed, replicates)
    shares = top_shares(standing(probabilities, truth), 1)
    # Not a matrix product: BLAS may sum in another order on another machine.
    accuracy = (weights * shares).sum(axis=1) / truth.size
    return Intervals(
        auc=_ends(_replicated_auc(probabilities, truth, weights)) if sizes.max() < truth.size else None,
        accuracy=_ends(accuracy),
    )


def resample(sizes: Ints, seed: int, replicates: int) -> Floats:
    """How often each trace is drawn, shape (replicates, traces); traces lie class by class, ``sizes`` of each."""
    traces = int(sizes.sum())
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    drawn = first + np.random.default_rng(seed).integers(0, np.repeat(sizes, sizes), size=(replicates, traces))
    flat = drawn + traces * np.arange(replicates)[:, np.newaxis]
    return np.bincount(flat.ravel(), minlength=replicates * traces).reshape(replicates, traces).astype(float)


def _replicated_auc(probabilities: Floats, truth: Ints, weights: Floats) -> Floats:
    """The macro ROC-AUC of each replicate, shape (replicates,), without ranking anything anew.

    A trace drawn w times plays each of its duels w times, against one drawn v times w * v times. All terms are
    whole numbers, so the products are exact in any order of summation; single precision holds those below 2^24,
    and a trace wins at most twice the number of traces.
    """
    present, owner = np.unique(truth, return_inverse=True)
    doubled = np.zeros((weights.shape[0], present.size))
    member = np.zeros((truth.size, present.size))
    member[np.arange(truth.size), owner] = 1.0
    single = weights.astype(np.float32)
    for block in duels(probabilities, truth):
        points = single @ block.wins.T.astype(np.float32)
        doubled += (weights[:, block.rows] * points) @ member[block.rows]
    sizes = member.sum(axis=0)
    aucs: Floats = (doubled - sizes**2) / (2.0 * sizes * (truth.size - sizes))
    return np.asarray(aucs.mean(axis=1))


def _ends(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return float(low), float(high)

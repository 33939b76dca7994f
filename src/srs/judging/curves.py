"""The curves of an attack in one match: what its pictures are drawn from.

They tell the true classes of the test traces by implication: nobody may see them before the match is over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import ConfigDict, TypeAdapter

from srs.scoring.attack import (
    Floats,
    Ints,
    canonical_order,
    class_auc,
    class_sizes,
    confusion_matrix,
    duels,
    standing,
    top_shares,
)
from srs.scoring.intervals import LEVEL, resample

REPLICATES: Final = 200
REPLICATES_MIN: Final = 50
BINS: Final = 10
# Denser where attacks on many classes have their bend.
ROC_GRID: Final = np.concatenate((np.linspace(0.0, 0.1, 20, endpoint=False), np.linspace(0.1, 1.0, 37)))

CELLS_MAX: Final = 10_000
"""So many pairs of a true and a guessed class are kept: many more there are where guesses are level."""

_DRAWS_MAX: Final = 400_000
_TINY: Final = 1e-9
_STRICT: Final = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Roc:
    """True positive rates at the false positive rates ``fpr``, in [0, 1].

    ``macro``: one class against the rest, mean over the classes, as the score counts; ``low`` and ``high`` its 95 %
    band, pointwise. ``micro``: every (trace, class) pair as one question.
    """

    __pydantic_config__ = _STRICT

    fpr: list[float]
    macro: list[float]
    low: list[float]
    high: list[float]
    micro: list[float]
    macro_auc: float
    micro_auc: float


@dataclass(frozen=True)
class Bin:
    """Traces whose highest probability lies in one tenth of [0, 1]: how many, its mean, and their accuracy.

    ``tenth`` is 0 for (0, 0.1] to 9 for (0.9, 1].
    """

    __pydantic_config__ = _STRICT

    tenth: int
    traces: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Confused:
    """``traces`` traces of class ``true`` were guessed as ``guessed`` (ties: a fair share), also where both agree."""

    __pydantic_config__ = _STRICT

    true: int
    guessed: int
    traces: float


@dataclass(frozen=True)
class Curves:
    """One attack on ``traces`` traces of ``classes`` classes.

    ``sizes`` and ``accuracy`` have an entry for each class (accuracy None without a trace), ``ranks`` one for each
    rank from 1: how many traces had their true class there (ties: a fair share). ``confusion`` has the most frequent
    pairs, at most ``CELLS_MAX``; of equals that are too many a sample. ``roc`` is None where all traces
    are of one class. ``calibration_error`` is the expected calibration error, in [0, 1].
    """

    __pydantic_config__ = _STRICT

    traces: int
    classes: int
    confusion: list[Confused]
    roc: Roc | None
    sizes: list[int]
    accuracy: list[float | None]
    ranks: list[float]
    calibration: list[Bin]
    calibration_error: float

    @property
    def confidence(self) -> float:
        """How sure the attack is of its guesses on average: the mean of the highest probabilities, in [0, 1]."""
        return math.fsum(one.confidence * one.traces for one in self.calibration) / self.traces


_CURVES: TypeAdapter[Curves] = TypeAdapter(Curves)


def write_curves(curves: Curves) -> bytes:
    """Curves as JSON: about 10 kB for 300 traces of 100 classes."""
    return _CURVES.dump_json(curves)


def read_curves(data: bytes) -> Curves:
    """The curves that ``write_curves`` wrote. Raises ``ValueError`` for anything else."""
    return _CURVES.validate_json(data)


def curves(probabilities: Floats, truth: Ints, seed: int = 0) -> Curves:
    """The curves of an attack; arguments as in ``srs.scoring.attack``, ``seed`` that of the band."""
    order = canonical_order(probabilities, truth)
    probabilities, truth = probabilities[order], truth[order]
    classes = probabilities.shape[1]
    sizes = class_sizes(truth, classes)
    confusion = confusion_matrix(probabilities, truth)
    bins = _calibration(probabilities, truth)
    return Curves(
        traces=truth.size,
        classes=classes,
        confusion=_cells(confusion),
        roc=_roc(probabilities, truth, sizes, seed) if sizes.max() < truth.size else None,
        sizes=sizes.tolist(),
        accuracy=[
            hits / size if size else None
            for hits, size in zip(confusion.diagonal().tolist(), sizes.tolist(), strict=True)
        ],
        ranks=_ranks(probabilities, truth),
        calibration=bins,
        calibration_error=sum(one.traces * abs(one.accuracy - one.confidence) for one in bins) / truth.size,
    )


def _cells(confusion: Floats) -> list[Confused]:
    """The pairs that occur, in order; of too many the most frequent, and a random sample of their equals."""
    traces = confusion.ravel()
    found = np.flatnonzero(traces)
    if found.size > CELLS_MAX:
        least = np.partition(traces[found], -CELLS_MAX)[-CELLS_MAX]
        above, level = found[traces[found] > least], found[traces[found] == least]
        sample = np.random.default_rng(0).choice(level, CELLS_MAX - above.size, replace=False)
        found = np.sort(np.concatenate((above, sample)))
    pairs = zip(*(part.tolist() for part in np.divmod(found, confusion.shape[1])), strict=True)
    return [Confused(true + 1, guessed + 1, round(float(confusion[true, guessed]), 6)) for true, guessed in pairs]


def _ranks(probabilities: Floats, truth: Ints) -> list[float]:
    """A trace whose true class is level with others has an equal share in each of their ranks."""
    where = standing(probabilities, truth)
    steps = np.zeros(probabilities.shape[1] + 1)
    np.add.at(steps, where.above, 1.0 / where.level)
    np.add.at(steps, where.above + where.level, -1.0 / where.level)
    ranks: list[float] = np.cumsum(steps)[:-1].round(6).tolist()
    return ranks


def _calibration(probabilities: Floats, truth: Ints) -> list[Bin]:
    """Tenths that hold traces (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)."""
    confidence = probabilities.max(axis=1)
    hits = top_shares(standing(probabilities, truth), 1)
    tenth = np.searchsorted(np.linspace(0.0, 1.0, BINS + 1)[1:-1], confidence, side="left")
    found = []
    for index in np.unique(tenth):
        inside = tenth == index
        found.append(Bin(int(index), int(inside.sum()), float(confidence[inside].mean()), float(hits[inside].mean())))
    return found


def _roc(probabilities: Floats, truth: Ints, sizes: Ints, seed: int) -> Roc:
    """The mean of the classes' curves needs no curve of a class: each trace adds a step (``_rates``) to it."""
    draws = resample(sizes[sizes > 0], seed, max(REPLICATES_MIN, min(REPLICATES, _DRAWS_MAX // truth.size)))
    draws = np.vstack((np.ones(truth.size), draws))
    share = 1.0 / (sizes[truth - 1] * np.count_nonzero(sizes))
    above, level_too = _beaten(probabilities, truth, draws)
    macro = np.array([_rates(*row) for row in zip(above, level_too, draws * share, strict=True)])
    low, high = np.quantile(macro[1:], [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], axis=0)
    micro_above, micro_level_too = _beaten_by_all(probabilities, truth)
    micro = _rates(micro_above, micro_level_too, np.full(truth.size, 1.0 / truth.size))
    return Roc(
        fpr=ROC_GRID.round(6).tolist(),
        macro=macro[0].round(6).tolist(),
        low=low.round(6).tolist(),
        high=high.round(6).tolist(),
        micro=micro.round(6).tolist(),
        macro_auc=float(np.nanmean(class_auc(probabilities, truth))),
        micro_auc=float(1.0 - (micro_above + micro_level_too).mean() / 2.0),
    )


def _rates(above: Floats, level_too: Floats, weights: Floats) -> Floats:
    """True positive rates on the grid, from the share of the negatives above (or also level with) each positive.

    A positive counts from the false positive rate ``above`` on; a tie is a slope up to ``level_too``, as in Fawcett,
    "An introduction to ROC analysis" (2006). ``weights``, shape (traces,), say how much each counts, in all 1.
    """
    width = np.maximum(level_too - above, _TINY)[:, np.newaxis]
    steps = np.clip((ROC_GRID - above[:, np.newaxis] + _TINY) / width, 0.0, 1.0)
    rates: Floats = weights @ steps
    return rates


def _beaten(probabilities: Floats, truth: Ints, draws: Floats) -> tuple[Floats, Floats]:
    """For each draw and trace the share of the other classes' traces that stand above it in the column of its class,
    and above or level; two of shape (draws, traces).
    """
    above, level_too = np.empty_like(draws), np.empty_like(draws)
    single = draws.astype(np.float32)  # whole numbers below 2^24: exact
    for block in duels(probabilities, truth):
        is_other = truth[block.rows, np.newaxis] != truth
        others = is_other.sum(axis=1)
        for shares, wins_max in ((above, 0), (level_too, 1)):
            lost = (is_other & (block.wins <= wins_max)).astype(np.float32)
            shares[:, block.rows] = single @ lost.T / others
    return above, level_too


def _beaten_by_all(probabilities: Floats, truth: Ints) -> tuple[Floats, Floats]:
    """The same where every pair of a trace and a class that is not its own is a negative; two of shape (traces,)."""
    rows = np.arange(truth.size)
    is_own = np.zeros(probabilities.shape, dtype=np.bool_)
    is_own[rows, truth - 1] = True
    own, negatives = probabilities[is_own], np.sort(probabilities[~is_own])
    above = 1.0 - np.searchsorted(negatives, own, side="right") / negatives.size
    level_too = 1.0 - np.searchsorted(negatives, own, side="left") / negatives.size
    return above, level_too

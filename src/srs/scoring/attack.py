"""Metrics of one attack on one match: probabilities and true classes in, numbers out.

Throughout, ``probabilities`` has shape (traces, K): row i holds the attacker's distribution for trace i, column j
belongs to class j + 1; ``truth`` has shape (traces,) and holds true classes, 1 to K. At least one trace.

Every result is equal to the last bit under any order of the rows: sums are either of whole numbers, which are
exact, or taken over rows in ``canonical_order``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_BLOCK_CELLS: Final = 4_000_000
_SHOWN_CLASSES: Final = 5
_SHOWN_CONFUSIONS: Final = 20
# The part of a uniform distribution mixed in before bits are counted, so that one confident error costs a
# bounded number of them.
_UNIFORM_PART: Final = 0.01


class Confusion(TypedDict):
    """``traces`` traces of class ``true`` were guessed to be of class ``guessed`` (ties: a fair share)."""

    true: int
    guessed: int
    traces: float


class AttackMetrics(TypedDict):
    """All that is told of an attack once its round is closed; ready for JSON."""

    traces: int
    auc: float | None
    accuracy: float
    top_3: float
    top_5: float
    top_10: float
    mean_rank: float
    log_loss: float
    bits_leaked: float
    auc_per_class: list[float | None]
    accuracy_per_class: list[float | None]
    best_classes: list[int]
    worst_classes: list[int]
    confusions: list[Confusion]


class Standing(NamedTuple):
    """Where the true class stands in each row: how many classes got more, and how many as much (itself too)."""

    above: Ints
    level: Ints


class Duels(NamedTuple):
    """``wins[i, j]``: twice the points of trace ``rows[i]`` against trace j in the column of the former's class.

    2 where its probability is higher, 1 where equal, 0 where lower; shape (rows, traces).
    """

    rows: slice
    wins: npt.NDArray[np.int8]


def canonical_order(probabilities: Floats, truth: Ints) -> Ints:
    """The order of rows by true class, then by their probabilities: the same for every shuffle of the rows."""
    return np.lexsort((*probabilities.T[::-1], truth))


def duels(probabilities: Floats, truth: Ints) -> Iterator[Duels]:
    """Every trace against every trace, in blocks of bounded memory: what a one-vs-rest ROC-AUC counts.

    The Mann-Whitney U of class k is the sum of the points (half of ``wins``) of its traces against the others.
    """
    own = _own(probabilities, truth)
    block = max(1, _BLOCK_CELLS // truth.size)
    for start in range(0, truth.size, block):
        rows = slice(start, start + block)
        columns = np.take(probabilities, truth[rows] - 1, axis=1)
        wins = (columns < own[rows]).view(np.int8) + (columns <= own[rows]).view(np.int8)
        yield Duels(rows, wins.T)


def class_auc(probabilities: Floats, truth: Ints) -> Floats:
    """One-vs-rest ROC-AUC of each class, shape (K,); NaN for a class without positives or without negatives.

    U / (n_k (n - n_k)), ties one half: the Mann-Whitney form (Hanley and McNeil 1982; Fawcett 2006). 1 is a
    perfect attack, 0.5 a guess.
    """
    classes = probabilities.shape[1]
    points = np.empty(truth.size, dtype=np.int64)
    for block in duels(probabilities, truth):
        points[block.rows] = block.wins.sum(axis=1, dtype=np.int64)
    positives = class_sizes(truth, classes)
    # Among themselves the n_k traces of a class always share n_k^2 / 2 points.
    doubled = np.bincount(truth - 1, weights=points, minlength=classes) - positives.astype(np.float64) ** 2
    pairs = positives * (truth.size - positives)
    return _ratio(doubled, 2.0 * pairs.astype(np.float64))


def macro_auc(probabilities: Floats, truth: Ints) -> float | None:
    """Mean of ``class_auc`` over the classes that have one; None where no class does."""
    return _mean_defined(class_auc(probabilities, truth))


def class_sizes(truth: Ints, classes: int) -> Ints:
    """How many traces each class has, shape (classes,)."""
    return np.bincount(truth - 1, minlength=classes)


def standing(probabilities: Floats, truth: Ints) -> Standing:
    """Where the true class of each trace stands among all classes, each of shape (traces,)."""
    own = _own(probabilities, truth)[:, np.newaxis]
    return Standing((probabilities > own).sum(axis=1), (probabilities == own).sum(axis=1))


def top_shares(where: Standing, k: int) -> Floats:
    """For each trace the chance, in [0, 1], that its true class is among the first k when ties are broken fairly.

    A uniform row gives exactly k / K.
    """
    return np.clip((k - where.above) / where.level, 0.0, 1.0)


def top_accuracy(where: Standing, k: int) -> float:
    """Mean of ``top_shares``: the accuracy (k = 1) or top-k accuracy, equal to the bit in any order of traces."""
    return math.fsum(top_shares(where, k).tolist()) / where.level.size


def confusion_matrix(probabilities: Floats, truth: Ints) -> Floats:
    """Traces by true class (row) and guessed class (column), shape (K, K); a tie is shared among the tied."""
    classes = probabilities.shape[1]
    first = probabilities == probabilities.max(axis=1, keepdims=True)
    shares = first / first.sum(axis=1, keepdims=True)
    matrix = np.zeros((classes, classes))
    np.add.at(matrix, truth - 1, shares)
    return matrix


def attack_metrics(probabilities: Floats, truth: Ints) -> AttackMetrics:
    """Every metric of scoring.md except the intervals; higher is a better attack but for mean rank and log loss.

    ``log_loss`` is in nats, with probabilities below 2^-52 taken as 2^-52 (scikit-learn's rule). ``bits_leaked``
    = log2 K - cross-entropy in bits after mixing in 1 % of the uniform distribution: a lower bound on what a
    trace tells about its class; negative where the attack is worse than knowing nothing.
    """
    order = canonical_order(probabilities, truth)
    probabilities, truth = probabilities[order], truth[order]
    classes = probabilities.shape[1]
    where = standing(probabilities, truth)
    own = _own(probabilities, truth)
    mixed = (1.0 - _UNIFORM_PART) * own + _UNIFORM_PART / classes
    aucs = class_auc(probabilities, truth)
    confusion = confusion_matrix(probabilities, truth)
    sizes = class_sizes(truth, classes)
    hits = _ratio(confusion.diagonal(), sizes.astype(np.float64))
    best = _best_first(hits, aucs)
    return AttackMetrics(
        traces=truth.size,
        auc=_mean_defined(aucs),
        accuracy=top_accuracy(where, 1),
        top_3=top_accuracy(where, 3),
        top_5=top_accuracy(where, 5),
        top_10=top_accuracy(where, 10),
        mean_rank=float((where.above + (where.level + 1) / 2.0).mean()),
        log_loss=float(-np.log(np.maximum(own, np.finfo(np.float64).eps)).mean()),
        bits_leaked=float(math.log2(classes) + np.log2(mixed).mean()),
        auc_per_class=_or_none(aucs),
        accuracy_per_class=_or_none(hits),
        best_classes=best[:_SHOWN_CLASSES],
        worst_classes=best[::-1][:_SHOWN_CLASSES],
        confusions=_largest_confusions(confusion),
    )


def _own(probabilities: Floats, truth: Ints) -> Floats:
    """The probability that each trace's true class was given, shape (traces,)."""
    return probabilities[np.arange(truth.size), truth - 1]


def _ratio(above: Floats, below: Floats) -> Floats:
    """Above / below; NaN where that is undefined."""
    defined: Floats = np.divide(above, below, out=np.full(below.size, np.nan), where=below > 0)
    return defined


def _mean_defined(aucs: Floats) -> float | None:
    defined = aucs[~np.isnan(aucs)].tolist()
    return math.fsum(defined) / len(defined) if defined else None


def _or_none(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _best_first(hits: Floats, aucs: Floats) -> list[int]:
    """The classes that have traces, from the one the attack knows best: by accuracy, then by AUC."""
    order = np.lexsort((np.arange(hits.size), -aucs, -hits))
    return [int(index) + 1 for index in order if not math.isnan(hits[index])]


def _largest_confusions(confusion: Floats) -> list[Confusion]:
    """The largest cells off the diagonal; equal ones in the order of their classes."""
    errors = confusion - np.diag(confusion.diagonal())
    largest = np.argsort(-errors, axis=None, kind="stable")[:_SHOWN_CONFUSIONS]
    found = []
    for true, guessed in zip(*np.unravel_index(largest, errors.shape), strict=True):
        if errors[true, guessed] > 0:
            found.append(Confusion(true=int(true) + 1, guessed=int(guessed) + 1, traces=float(errors[true, guessed])))
    return found

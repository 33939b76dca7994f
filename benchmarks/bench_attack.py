"""ROC-AUC of 300 traces x 100 classes: ours against scikit-learn's, in one run on one machine."""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

from srs.scoring.attack import macro_auc

FASTER_AT_LEAST = 40.0
DIFFERENCE_AT_MOST = 1e-12


def best_s(work: Callable[[], object], number: int) -> float:
    """Seconds of one call, the best of five rounds of ``number`` calls."""
    return min(timeit.repeat(work, number=number, repeat=5)) / number


def main() -> int:
    rng = np.random.default_rng(300)
    truth = rng.permutation(np.arange(300) % 100 + 1)
    cases = []
    for concentration in (0.05, 0.3, 1.0, 3.0):
        rows = rng.dirichlet(np.full(100, concentration), 300)
        rows[np.arange(300), truth - 1] += 0.05
        rows /= rows.sum(axis=1, keepdims=True)
        cases += [rows, np.eye(100)[rows.argmax(axis=1)], np.full((300, 100), 0.01)]
    difference = max(
        abs((macro_auc(rows, truth) or 0.0) - roc_auc_score(truth, rows, multi_class="ovr")) for rows in cases
    )
    ours = best_s(lambda: macro_auc(cases[0], truth), 100)
    theirs = best_s(lambda: roc_auc_score(truth, cases[0], multi_class="ovr"), 3)
    ratio = theirs / ours
    print(f"ROC-AUC 300 x 100: scikit-learn {theirs * 1e3:.2f} ms, ours {ours * 1e3:.3f} ms")
    print(f"  times faster      {ratio:8.1f}   (at least {FASTER_AT_LEAST:g})")
    print(f"  largest difference {difference:.1e}   (at most {DIFFERENCE_AT_MOST:g}, {len(cases)} cases)")
    return 0 if ratio >= FASTER_AT_LEAST and difference <= DIFFERENCE_AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())

"""Schemes: how metrics become points.

A scheme is a version and three functions; ``SCHEMES`` is where a second one, such as ``balanced``, takes its
place. Until it does, a race that asks for it is refused here, and not scored by something else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from srs.errors import RulesError

UTILITY_MAX: Final = 10.0
# 64 / log10(product) reaches 10 at this product; below it the formula runs to its pole at 1 and turns negative.
PRODUCT_MIN: Final = 10.0**6.4


def srs2022_utility(metrics: Mapping[str, float]) -> tuple[float, bool]:
    """Utility of a defence and whether it is implausible, from its ``utility_metrics``.

    utility = 64 / log10(median_in_volume * median_out_volume * median_duration), in [0, 10], higher is cheaper;
    10 and implausible at and below product = 10^6.4. Source: the report of 2022, with its pole removed.
    """
    product = metrics["median_in_volume"] * metrics["median_out_volume"] * metrics["median_duration"]
    if not product > PRODUCT_MIN:
        return UTILITY_MAX, True
    return min(UTILITY_MAX, 64.0 / math.log10(product)), False


def attack_score(match_aucs: Sequence[float | None]) -> float:
    """10 * the mean ROC-AUC over a team's matches, in [0, 10]; a match without an attack (None) counts 0.

    A team without matches has 0.
    """
    if not match_aucs:
        return 0.0
    return math.fsum(10.0 * auc for auc in match_aucs if auc is not None) / len(match_aucs)


def total(utility: float | None, attack: float) -> float | None:
    """Utility * attack, in [0, 100]; None for a team without an accepted defence."""
    return None if utility is None else utility * attack


@dataclass(frozen=True)
class Scheme:
    """How a race scores. ``version`` is kept beside every score that it computed."""

    version: str
    utility: Callable[[Mapping[str, float]], tuple[float, bool]]
    attack: Callable[[Sequence[float | None]], float]
    total: Callable[[float | None, float], float | None]


SCHEMES: Final[Mapping[str, Scheme]] = {
    "srs2022": Scheme("srs2022/1", srs2022_utility, attack_score, total),
}


def scheme(name: str) -> Scheme:
    """The scheme of that name; RulesError where this version of SRS has none."""
    if name not in SCHEMES:
        raise RulesError(
            "rules.scheme-unknown",
            f'scoring.scheme "{name[:60]}" is not available; this version scores by: {", ".join(SCHEMES)}.',
        )
    return SCHEMES[name]

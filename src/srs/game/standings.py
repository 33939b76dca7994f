"""From totals to ranked rows: equal totals share a rank, and no order of input changes anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Entry:
    """A team (its number) and its total, ``None`` without an accepted defence. Excluded teams are not entered."""

    team: int
    total: float | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One row of a ranking."""

    rank: int
    team: int
    total: float | None


def rank(entries: Iterable[Entry]) -> list[Ranked]:
    """The rows by falling total, teams without one last; among equals by team number.

    A team's rank is one more than the number of teams before it that it does not equal: 1, 2, 2, 4. All teams
    without a total share the last rank. ``ValueError`` for a total that is not finite.
    """
    rows = sorted(entries, key=lambda row: (row.total is None, -(row.total or 0.0), row.team))
    ranked: list[Ranked] = []
    for place, row in enumerate(rows, start=1):
        if row.total is not None and not math.isfinite(row.total):
            raise ValueError(f"the total of team {row.team} is {row.total}")
        shares = bool(ranked) and ranked[-1].total == row.total
        ranked.append(Ranked(ranked[-1].rank if shares else place, row.team, row.total))
    return ranked


def combine_rounds(totals: Sequence[float | None], how: Literal["last", "mean", "best", "none"]) -> float | None:
    """A team's total over its rounds, given in order; ``None`` where it has none, or where races do not combine.

    ``last``: that of the last round. ``best``: the largest. ``mean``: over all rounds, one without a total
    counting 0, so that staying away never pays; exact to the last bit whatever the order (``math.fsum``).
    """
    present = [total for total in totals if total is not None]
    if not present or how == "none":
        return None
    if how == "last":
        return totals[-1]
    return max(present) if how == "best" else math.fsum(present) / len(totals)

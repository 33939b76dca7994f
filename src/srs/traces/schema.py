"""The columns of a file: their names, types, units and ranges. Written nowhere else.

A table is described by an ordered mapping from column name to ``ColumnRule``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from srs.game.race import RaceRules

REP = "rep"
SIZE = "direction_size"
TIME = "timestamp"
TEAM = "team_id"
CAPTURE = "capture_id"

INT32_MAX = 2**31 - 1
_PROBABILITY = "proba_class_"
HOUSE_TEAM = 0
"""The ``team_id`` of the house in its practice match; teams are numbered from 1."""
# Epoch seconds pass (they are re-zeroed); epoch milliseconds do not: they are no seconds.
CLOCK_MAX_S = 1e10


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnRule:
    """What one cell of a column may hold.

    ``code`` begins the codes of its problems (``trace.size`` gives ``trace.size-zero``). An ``integer`` is read
    as int32, a ``number`` as float64; both ends of the range belong to it. ``expected`` ends the sentence: what
    a right value looks like. ``ticks_per_unit``, where given, is the unit of a Parquet integer in this column.
    """

    code: str
    kind: Literal["integer", "number"]
    least: float
    most: float
    expected: str
    nonzero: bool = False
    ticks_per_unit: int | None = None


Columns = Mapping[str, ColumnRule]


def probability_column(number: int) -> str:
    """The column of an attack that holds the probability of a class; classes are counted from 1."""
    return f"{_PROBABILITY}{number}"


def is_probability(name: str) -> bool:
    """Whether a column is such a one, of whichever class."""
    return name.startswith(_PROBABILITY)


def defence_columns(rules: RaceRules) -> dict[str, ColumnRule]:
    """The columns of a defence in this race."""
    most = rules.traces.size_max_bytes
    count = rules.classes.count
    return {
        rules.classes.column: ColumnRule(
            "trace.class", "integer", 1, count, f"Expected the {rules.classes.singular}, an integer from 1 to {count}."
        ),
        REP: ColumnRule(
            "trace.rep", "integer", 0, INT32_MAX, "Expected the repetition, an integer from 0 to 2147483647."
        ),
        SIZE: ColumnRule(
            "trace.size",
            "integer",
            -most,
            most,
            f"Use + for sent, - for received, 1 to {most} bytes.",
            nonzero=True,
        ),
        TIME: ColumnRule(
            "trace.time",
            "number",
            -CLOCK_MAX_S,
            CLOCK_MAX_S,
            "Expected seconds since the trace's first packet, as a decimal number such as 0.153.",
            ticks_per_unit=1_000_000,
        ),
    }

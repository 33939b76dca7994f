"""What a chart is: a Vega-Lite specification, words for those who do not see it, and the table behind it.

Builders are pure functions from plain values to a ``Chart``. The specification is one view (or layers of one): its
``data`` lies inside it, it names no width, height or colour. Colours are tokens, which the renderer replaces by those
of a light or a dark palette wherever they stand outside ``data``:

=================  ==========================================================
``@ink``           text, and marks that must be seen first
``@muted``         text and lines of second rank
``@grid``          lines that only guide the eye
``@background``    what the chart lies on (the halo of a label)
``@series-1`` ..   six colours that also those with a colour-vision deficiency tell apart; never alone: add a shape,
``@series-6``      a dash or a label
``@low @high``     ends of a range of numbers (a heat map)
=================  ==========================================================

Text of people (team names) may stand in ``data`` and in titles. It must never be part of a Vega expression, so put it
into a field and refer to the field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from srs.traces.report import plural

Cell: TypeAlias = str | float | None
Spec: TypeAlias = Mapping[str, Any]

SERIES: Final = tuple(f"@series-{number}" for number in range(1, 7))
SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
BAND: Final = {"type": "area", "fillOpacity": 0.2, "strokeWidth": 1, "strokeOpacity": 0.75}
"""The mark of an interval around a line: a pale area whose edge is seen."""

DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 4])


@dataclass(frozen=True)
class Column:
    """A column of the table: its title, with the unit, and for numbers how many decimals are shown."""

    title: str
    decimals: int | None = None


@dataclass(frozen=True)
class Chart:
    """One chart.

    ``name`` is that of its file (a-z, 0-9, -), ``title`` its heading. ``alt`` says in one or two sentences what is
    to be seen, with the numbers. ``rows`` hold the numbers behind it, unrounded, one value for each of ``columns``;
    the first column names the row. ``height`` is in pixels; the width is the renderer's.
    """

    name: str
    title: str
    alt: str
    spec: Spec
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    height: int = 320


@dataclass(frozen=True)
class Classes:
    """What the classes of a race are called: ``noun`` one of them, ``names`` each, from class 1 on."""

    noun: str
    names: Sequence[str]

    @property
    def nouns(self) -> str:
        """Several of them."""
        return plural(self.noun)

    def name(self, number: int) -> str:
        """The name of class ``number``."""
        return self.names[number - 1]


def series_scale(labels: Sequence[str], range_: Sequence[Any]) -> dict[str, Any]:
    """The scale that gives each label its colour, shape or dash, in their order."""
    return {"domain": list(labels), "range": list(range_[: len(labels)])}


def shortened(text: str, most: int) -> str:
    """The text, or as much of it as ``most`` characters with an ellipsis hold."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def bytes_in_words(size_bytes: float) -> str:
    """``439 kB``: three digits, in powers of 1000."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= 0.9995 * power:
            return f"{float(f'{size_bytes / power:.3g}'):g} {unit}"
    return f"{size_bytes:.0f} B"


def seconds_in_words(duration_s: float) -> str:
    """``12.5 s``: three digits."""
    return f"{float(f'{duration_s:.3g}'):g} s"


def share_in_words(share: float) -> str:
    """``87.5 %``, with a space that no line breaks at; ``srs.judging.meaning.percent`` tells it without decimals."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"

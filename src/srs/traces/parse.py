"""Typed CSV at full speed: a table, or nothing. ``locate`` says why.

The typed reader is lenient (a short line or an empty field becomes null, NaN and 1e400 pass), so what it returns is
checked column by column.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from srs.traces.schema import ColumnRule, Columns

# A quotation mark in the wrong place makes the reader panic, which is not an Exception.
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_TYPES = {"integer": pl.Int32, "number": pl.Float64}


def parse(data: bytes, names: Sequence[str], columns: Columns, *, skip_lines: int) -> pl.DataFrame | None:
    """Read the lines after the first ``skip_lines``; ``names`` is the order of the columns in the file.

    Returns None where a field cannot be read, is missing, or lies outside its column's range.
    """
    schema = {name: _TYPES[columns[name].kind]() for name in names}
    try:
        frame = pl.read_csv(data, has_header=False, schema=schema, skip_lines=skip_lines)
    except UNREADABLE:
        return None
    return frame if is_sound(frame, columns) else None


def is_sound(frame: pl.DataFrame, columns: Columns) -> bool:
    """Whether every value is present, finite and within its column's range."""
    checks = [breaks(pl.col(name), rule).any().alias(name) for name, rule in columns.items()]
    return not any(frame.select(checks).row(0))


def breaks(values: pl.Expr, rule: ColumnRule) -> pl.Expr:
    """Where the rule is broken, value by value. A comparison is true for NaN, so finiteness comes first."""
    broken = values.is_null() | ~values.is_between(rule.least, rule.most)
    if rule.kind == "number":
        broken |= ~values.is_finite()
    if rule.nonzero:
        broken |= values == 0
    return broken.fill_null(True)

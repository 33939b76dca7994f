"""Parquet with the same columns as the CSV: checked column by column, faults named by row.

An integer column that stands for a physical quantity is in the ticks of its rule (microseconds for
``timestamp``, as in the files that SRS hands out); a float column is in the unit itself.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl

from srs.errors import FileError
from srs.traces.locate import FAULTS_MAX, Fault, Found
from srs.traces.parse import UNREADABLE, breaks, is_sound
from srs.traces.report import Problem, Report, grouped, quoted
from srs.traces.schema import ColumnRule, Columns

_VALUE_BYTES = 8


def parquet_names(data: bytes) -> list[str]:
    """The names of the columns. Raises ``FileError`` where the file is damaged."""
    return list(_schema(data))


def read_parquet(data: bytes, columns: Columns, unpacked_max_bytes: int) -> pl.DataFrame | Report:
    """Read a Parquet file that has all of ``columns``; the result is as of ``tables.read_table``."""
    schema = _schema(data)
    wrong = [problem for name, rule in columns.items() for problem in _type_problems(name, schema[name], rule)]
    if wrong:
        return Report(tuple(wrong))
    source = pl.scan_parquet(io.BytesIO(data)).select(list(columns))
    rows = int(_collected(source.select(pl.len())).item())
    if rows * len(columns) * _VALUE_BYTES > unpacked_max_bytes:
        raise FileError(
            "file.unpacked-size",
            f"{grouped(rows)} rows of {len(columns)} columns exceed {unpacked_max_bytes / 1e6:g} MB unpacked.",
        )
    frame = _collected(source.with_columns(_in_unit(pl.col(n), schema[n], rule) for n, rule in columns.items()))
    if not is_sound(frame, columns):
        return _row_faults(frame, columns)
    return frame.cast({name: pl.Int32 for name, rule in columns.items() if rule.kind == "integer"})


def _schema(data: bytes) -> dict[str, pl.DataType]:
    try:
        return dict(pl.read_parquet_schema(io.BytesIO(data)))
    except UNREADABLE:
        raise _damaged() from None


def _collected(query: pl.LazyFrame) -> pl.DataFrame:
    try:
        return query.collect()
    except UNREADABLE:
        raise _damaged() from None


def _damaged() -> FileError:
    return FileError("file.damaged", "The Parquet file is damaged (sent only in part?).")


def _type_problems(name: str, dtype: pl.DataType, rule: ColumnRule) -> Iterator[Problem]:
    if dtype.is_integer() or (rule.kind == "number" and dtype.is_float()):
        return
    expected = "an integer" if rule.kind == "integer" else "a float"
    yield Problem(
        "table.column-type",
        f"Column {name} holds {quoted(str(dtype))}; expected {expected} type. {rule.expected}",
        column=name,
    )


def _in_unit(values: pl.Expr, dtype: pl.DataType, rule: ColumnRule) -> pl.Expr:
    if rule.kind == "integer":
        return values
    return values.cast(pl.Float64) / (rule.ticks_per_unit or 1) if dtype.is_integer() else values.cast(pl.Float64)


def _row_faults(frame: pl.DataFrame, columns: Columns) -> Report:
    found = Found("Row")
    for name, rule in columns.items():
        broken = frame.with_row_index("row", offset=1).filter(breaks(pl.col(name), rule)).head(FAULTS_MAX)
        for row, value in broken.select("row", pl.col(name).cast(pl.String)).iter_rows():
            what = "the value is missing" if value is None else f"found {quoted(value)}, which is out of range"
            code = "table.empty-field" if value is None else f"{rule.code}-range"
            found.add(row, Fault(code, name, f"{what}. {rule.expected}"))
    return Report(found.problems())

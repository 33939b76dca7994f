"""Parquet: types, units, missing values, limits, damage."""

from __future__ import annotations

import datetime as dt
import io

import polars as pl
import pytest

from srs.errors import FileError
from srs.traces.parquet import parquet_names, read_parquet
from srs.traces.report import Report
from srs.traces.schema import CAPTURE, ColumnRule, defence_columns
from worlds.traffic import RULES

COLUMNS = defence_columns(RULES)
GOOD = pl.DataFrame({"cell_id": [1, 2], "rep": [0, 0], "direction_size": [576, -1500], "timestamp": [0.0, 0.5]})


def packed(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def problems(frame: pl.DataFrame) -> list[tuple[str, int | None, str | None, int]]:
    report = read_parquet(packed(frame), COLUMNS, 10**6)
    assert isinstance(report, Report)
    return [(found.code, found.line, found.column, found.more) for found in report.problems]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Int64])
def test_any_integers_and_floats_will_do(dtype: type[pl.DataType]) -> None:
    frame = read_parquet(packed(GOOD.cast({"cell_id": dtype, "timestamp": pl.Float32})), COLUMNS, 10**6)
    assert isinstance(frame, pl.DataFrame)
    assert frame.dtypes == [pl.Int32, pl.Int32, pl.Int32, pl.Float64]
    assert frame.rows() == GOOD.rows()


def test_an_integer_timestamp_is_in_microseconds() -> None:
    frame = read_parquet(packed(GOOD.with_columns(timestamp=pl.Series([0, 250_000]))), COLUMNS, 10**6)
    assert isinstance(frame, pl.DataFrame)
    assert frame["timestamp"].to_list() == [0.0, 0.25]


def test_an_integer_that_has_no_ticks_is_itself() -> None:
    rule = ColumnRule("attack.probability", "number", 0, 1, "Expected a probability.")
    frame = read_parquet(packed(pl.DataFrame({CAPTURE: [0, 1]})), {CAPTURE: rule}, 10**6)
    assert isinstance(frame, pl.DataFrame)
    assert frame[CAPTURE].to_list() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("cell_id", [1.0, 2.0], ("table.column-type", None, "cell_id", 0)),
        ("rep", ["0", "1"], ("table.column-type", None, "rep", 0)),
        ("timestamp", [dt.timedelta(0), dt.timedelta(1)], ("table.column-type", None, "timestamp", 0)),
        ("cell_id", [1, None], ("table.empty-field", 2, "cell_id", 0)),
        ("cell_id", [0, 4], ("trace.class-range", 1, "cell_id", 1)),
        ("rep", [0, 2**40], ("trace.rep-range", 2, "rep", 0)),
        ("direction_size", [576, 0], ("trace.size-range", 2, "direction_size", 0)),
        ("timestamp", [0.0, float("nan")], ("trace.time-range", 2, "timestamp", 0)),
        ("timestamp", [0.0, float("-inf")], ("trace.time-range", 2, "timestamp", 0)),
    ],
)
def test_faults_are_named_by_row(column: str, values: list[object], expected: tuple[object, ...]) -> None:
    assert problems(GOOD.with_columns(pl.Series(column, values))) == [expected]


def test_rows_are_counted_before_they_are_read() -> None:
    many = packed(pl.DataFrame({name: pl.repeat(1, 100_000, eager=True) for name in COLUMNS}))
    assert len(many) < 10_000
    with pytest.raises(FileError, match="100 000 rows of 4 columns exceed 1 MB unpacked"):
        read_parquet(many, COLUMNS, 10**6)


def test_damage_is_said() -> None:
    data = packed(GOOD)
    for damaged in (data[:-20], data[: len(data) // 2] + b"PAR1", b"PAR1"):
        with pytest.raises(FileError, match="damaged"):
            parquet_names(damaged)
    holed = data[:4] + b"\xff" * 40 + data[44:]
    with pytest.raises(FileError, match="damaged"):
        read_parquet(holed, COLUMNS, 10**6)

"""The typed reader is lenient; what it lets pass is caught."""

from __future__ import annotations

import polars as pl
import pytest

from srs.traces.parse import is_sound, parse
from srs.traces.schema import defence_columns
from worlds.traffic import RULES

COLUMNS = defence_columns(RULES)
NAMES = list(COLUMNS)


def test_a_sound_table_keeps_its_values() -> None:
    frame = parse(b"skipped\n1,0,-1500,0.1\r\n3,2147483647,65535,-1e10\r\n", NAMES, COLUMNS, skip_lines=1)
    assert frame is not None
    assert frame.rows() == [(1, 0, -1500, 0.1), (3, 2147483647, 65535, -1e10)]
    assert frame.dtypes == [pl.Int32, pl.Int32, pl.Int32, pl.Float64]


@pytest.mark.parametrize(
    "line",
    ["1,0,576", "1,0,576,", ",,,", "", "1,0,0,0.5", "0,0,576,0.5", "1,-1,576,0.5", "1,0,576,nan", "1,0,576,inf",
     "1,0,576,1e400", "1,0,576,2e10", '"', "1,0,576,0.5,9", "1,0,5.7,0.5", "1,0,99999999999,0.5"],
)  # fmt: skip
def test_what_is_missing_not_finite_or_out_of_range_is_no_table(line: str) -> None:
    assert parse(f"1,0,576,0.5\n{line}\n1,0,576,0.5\n".encode(), NAMES, COLUMNS, skip_lines=0) is None


def test_an_empty_table_is_sound() -> None:
    frame = parse(b"skipped\n", NAMES, COLUMNS, skip_lines=1)
    assert frame is not None
    assert frame.is_empty()
    assert is_sound(frame, COLUMNS)

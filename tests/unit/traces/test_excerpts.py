"""The file's own lines in a report, with the fault marked; nothing of them is obeyed by a terminal."""

from __future__ import annotations

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srs.game.race import RaceRules
from srs.traces.defences import read_defence
from srs.traces.excerpts import SHOWN_MAX, excerpt, lines_of
from srs.traces.report import Excerpt, visible

RULES = RaceRules(slug="any", title="Any", rounds=())
HEADER = b"cell_id,rep,direction_size,timestamp\n"


@pytest.mark.parametrize(
    ("line", "column", "shown"),
    [
        (b"1,2,0,0.5", 2, ("1,2,", "0", ",0.5")),
        (b"1,,0,0.5", 1, ("1,", "", ",0,0.5")),
        (b'1,2,"x,y",5', 2, ("1,2,", '"x,y"', ",5")),
        (b"1,2,3,4,5,6", None, ("1,2,3,4,", "5,6", "")),
        (b"1,2", None, ("", "", "1,2")),
        (b'1,"2', 1, ("", "", '1,"2')),
        (b"1,2", 3, ("", "", "1,2")),
        (b"", None, ("", "", "")),
        (b"1,\xff,3", None, ("1,", "\\xff", ",3")),
        (b"1,2\x00,3", 1, ("1,2", "\\x00", ",3")),
        ("1,é\u202e,3".encode(), 1, ("1,", "é\\u202e", ",3")),
        (b"1," + b"7" * 100 + b",3", 1, ("1,", "7" * 39 + "…", ",3")),
        (b"9" * 200 + b",x," + b"8" * 200, 1, ("…" + "9" * 38 + ",", "x", "," + "8" * 37 + "…")),
    ],
)
def test_the_fault_is_marked(line: bytes, column: int | None, shown: tuple[str, str, str]) -> None:
    assert excerpt(7, line, column, 4) == Excerpt(7, *shown)


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(0, 5),
)
def test_any_line_is_shown_in_eighty_harmless_characters(line: bytes, column: int) -> None:
    shown = excerpt(1, line, column, 4)
    text = shown.before + shown.marked + shown.after
    assert len(text) <= SHOWN_MAX
    assert visible(text) == text
    if "…" not in text and b"\\" not in line and not any(byte < 32 or byte > 126 for byte in line):
        assert text.encode() == line


def test_lines_are_found_by_number_across_blocks() -> None:
    data = b"".join(b"%d%s\r\n" % (number, b"x" * 200) for number in range(1, 20_001)) + b"last"
    found = lines_of(data, [1, 6_000, 6_001, 20_000, 20_001, 20_002, 90_000])
    assert {number: line.rstrip(b"x") for number, line in found.items()} == {
        1: b"1", 6_000: b"6000", 6_001: b"6001", 20_000: b"20000", 20_001: b"last",
    }  # fmt: skip
    assert lines_of(b"", [1]) == {}
    assert len(lines_of(b"y" * 3_000_000, [1])[1]) == 1_000_000


def shown_of(data: bytes) -> dict[str, list[tuple[int, str, str]]]:
    _, report = read_defence(data, RULES, "d.csv")
    return {
        problem.code: [(each.line, each.before + each.marked + each.after, each.marked) for each in problem.excerpts]
        for problem in report.problems
    }


def test_a_header_and_values_and_traces_are_shown() -> None:
    assert shown_of(b"cell;rep\n1;2\n") == {"table.header": [(1, "cell;rep", "")]}
    assert shown_of(HEADER + b"1,2,3,4\n1,2,0,5\n1,2,7,x\n1,2,0,9\n") == {
        "trace.size-zero": [(3, "1,2,0,5", "0"), (5, "1,2,0,9", "0")],
        "trace.time-shape": [(4, "1,2,7,x", "x")],
    }
    of_traces = shown_of(HEADER + b"1,2,30,4\n1,2,-3,4\n1,2,-3,3\n")
    assert of_traces["trace.runs-back"] == [(4, "1,2,-3,3", "3")]
    assert of_traces["trace.packets-min"] == [(2, "1,2,30,4", "")]
    assert of_traces["trace.classes-missing"] == []


def test_rows_of_a_parquet_file_are_shown() -> None:
    file = io.BytesIO()
    columns = {"rep": [1, 1, 1], "cell_id": [1, None, 1], "timestamp": [0.5, 0.25, 0.0], "direction_size": [9, 8, 0]}
    pl.DataFrame(columns).write_parquet(file)
    assert shown_of(file.getvalue()) == {
        "table.empty-field": [(2, "1,,0.25,8", "")],
        "trace.size-range": [(3, "1,1,0.0,0", "0")],
    }

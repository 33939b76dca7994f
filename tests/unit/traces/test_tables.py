"""Headers, and which reader reads what."""

from __future__ import annotations

import io

import polars as pl
import pytest

from srs.traces.archive import Opened
from srs.traces.predictions import prediction_columns
from srs.traces.report import Report
from srs.traces.schema import Columns, defence_columns
from srs.traces.tables import read_table
from worlds.traffic import HEADER, RULES, defence_csv

COLUMNS = defence_columns(RULES)


def csv(data: bytes) -> Opened:
    return Opened("csv", data, "x.csv", 10**9)


def refused(data: bytes) -> str:
    report = read_table(csv(data), COLUMNS)
    assert isinstance(report, Report)
    assert [problem.code for problem in report.problems] == ["table.header"]
    return str(report.problems[0])


def test_columns_are_found_by_name() -> None:
    frame = read_table(csv(b"timestamp,direction_size,rep,cell_id\r\n0.25,-7,5,2\r\n"), COLUMNS)
    assert isinstance(frame, pl.DataFrame)
    assert (frame.columns, frame.rows()) == (HEADER.split(","), [(2, 5, -7, 0.25)])


def test_a_table_without_a_row_is_refused() -> None:
    report = read_table(csv(HEADER.encode() + b"\n"), COLUMNS)
    assert isinstance(report, Report)
    assert [(problem.code, problem.line) for problem in report.problems] == [("table.no-rows", 1)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_blank_lines_at_the_very_end_are_an_editors_habit(end: bytes) -> None:
    lines = [HEADER.encode(), b"2,5,-7,0.25", b"", b"", b""]
    frame = read_table(csv(end.join(lines)), COLUMNS)
    assert isinstance(frame, pl.DataFrame)
    assert frame.rows() == [(2, 5, -7, 0.25)]


def test_a_line_without_end_is_refused_before_it_is_read() -> None:
    for data, line in ((b"1" * 1_000_001, 1), (HEADER.encode() + b"\n" + b"1" * 1_000_001, 2)):
        report = read_table(csv(data), COLUMNS)
        assert isinstance(report, Report)
        assert [(problem.code, problem.line) for problem in report.problems] == [("table.line-length", line)]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"cell_id,rep,size,timestamp", "missing: direction_size; unknown: size."),
        (b"cell_id,rep,direction_size,timestamp,rep", "twice: rep."),
        (b"cell_id,rep,direction_size,timestamp,", 'unknown: "".'),
        (b"cell_id;rep;direction_size;timestamp", "Separate the fields by commas."),
        (b"cell_id\trep\tdirection_size\ttimestamp", "Separate the fields by commas."),
        ("cell_id,rep".encode("utf-16"), "save it as UTF-8."),
        (b'"cell_id,rep', 'unknown: "cell_id,rep.'),
        (b",".join(b"%d" % number for number in range(1000)), "unknown: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more."),
    ],
)
def test_a_wrong_header_is_told_in_full(header: bytes, said: str) -> None:
    assert refused(header + b"\n1,0,576,0.5\n").endswith(said)


@pytest.mark.parametrize(
    ("header", "asked", "said"),
    [
        (
            b"team_id,capture_id,proba_class_1,proba_class_2",
            COLUMNS,
            "This looks like an attack (it has probabilities of classes): send it on the page Attack or Practice.",
        ),
        (
            b"page,rep,direction_size,timestamp",
            prediction_columns(RULES),
            "This looks like a defence (it has a line for each packet): send it on the page Defence.",
        ),
        (
            b"team_id,capture_id,direction_size,timestamp",
            prediction_columns(RULES),
            (
                "This looks like the test set of a match, the traces to guess; an attack has one row for each of them, "
                "with a probability for each class."
            ),
        ),
    ],
)
def test_a_file_on_the_wrong_page_is_told_where_it_belongs(header: bytes, asked: Columns, said: str) -> None:
    report = read_table(csv(header + b"\n1,0,1,0\n"), asked)
    assert isinstance(report, Report)
    assert [(problem.code, problem.sentence) for problem in report.problems] == [("table.other-kind", said)]


def test_csv_and_parquet_are_the_same_table() -> None:
    frame = read_table(csv(defence_csv()), COLUMNS)
    assert isinstance(frame, pl.DataFrame)
    buffer = io.BytesIO()
    frame.select(reversed(frame.columns)).write_parquet(buffer)
    again = read_table(Opened("parquet", buffer.getvalue(), "x", 10**9), COLUMNS)
    assert isinstance(again, pl.DataFrame)
    assert again.equals(frame)
    renamed = io.BytesIO()
    frame.rename({"rep": "Rep"}).write_parquet(renamed)
    report = read_table(Opened("parquet", renamed.getvalue(), "x", 10**9), COLUMNS)
    assert isinstance(report, Report)
    assert report.problems[0].sentence.endswith("missing: rep; unknown: Rep.")

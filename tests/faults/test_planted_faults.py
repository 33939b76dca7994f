"""Valid defences with one fault each: the report names its code, its line and its column, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fixtures.sizes import record
from srs.game.race import Traces
from srs.traces.defences import read_defence
from worlds.traffic import RULES, Row, as_lines, defence_rows, trace_rows

Plant = Callable[[list[Row], list[str], int], list[str]]
"""Rows and lines of a valid file, the index of the line to spoil -> the lines to send."""

PACKETS = 8
STRICT = RULES.model_copy(
    update={"traces": Traces(repetitions=(4, 8), copies="reject", plausibility="reject", duration_max_s=100.0)}
)


@dataclass(frozen=True)
class Fault:
    name: str
    code: str
    column: str | None
    plant: Plant
    line: int | None = 0
    """The line expected: 0 stands for the one that was spoilt."""


def field(number: int, text: str) -> Plant:
    def plant(_: list[Row], lines: list[str], at: int) -> list[str]:
        fields = lines[at].split(",")
        fields[number] = text
        return [*lines[:at], ",".join(fields), *lines[at + 1 :]]

    return plant


def whole_line(change: Callable[[str], str]) -> Plant:
    return lambda _, lines, at: [*lines[:at], change(lines[at]), *lines[at + 1 :]]


def header(text: str) -> Plant:
    return lambda _, lines, __: [text, *lines[1:]]


def rows_changed(change: Callable[[list[Row]], list[Row]]) -> Plant:
    return lambda rows, _, __: as_lines(change(rows))


def without_cell(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[0] != 2]


def fewer_repetitions(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[:2] != (2, 0)]


def more_repetitions(rows: list[Row]) -> list[Row]:
    return rows + [row for rep in range(4, 9) for row in trace_rows(3, rep)]


def of_trace(change: Callable[[list[Row]], list[Row]]) -> Plant:
    """Change trace (2, 1); it begins at row 40, which is line 42."""

    def plant(rows: list[Row], _: list[str], __: int) -> list[str]:
        begin = rows.index(next(row for row in rows if row[:2] == (2, 1)))
        return as_lines(rows[:begin] + change(rows[begin : begin + PACKETS]) + rows[begin + PACKETS :])

    return plant


def one_way(sign: int) -> Plant:
    return of_trace(lambda rows: [(cell, rep, sign * abs(size), time) for cell, rep, size, time in rows])


def later(from_row: int, by_s: float) -> Plant:
    return of_trace(lambda rows: [(c, r, s, t + by_s if i >= from_row else t) for i, (c, r, s, t) in enumerate(rows)])


def two_captures(rows: list[Row]) -> list[Row]:
    return rows[:4] + [(*row[:3], row[3] - rows[4][3]) for row in rows[4:]]


def everywhere(change: Callable[[Row], Row]) -> Plant:
    return rows_changed(lambda rows: [change(row) for row in rows])


def tiny(row: Row) -> Row:
    return (*row[:2], 1 if row[2] > 0 else -1, row[3])


def copied(rows: list[Row]) -> list[Row]:
    first = [row for row in rows if row[:2] == (1, 0)]
    return [row for row in rows if row[:2] != (3, 3)] + [(3, 3, *row[2:]) for row in first]


FAULTS = [
    Fault("a class of 0", "trace.class-range", "cell_id", field(0, "0")),
    Fault("a class too large", "trace.class-range", "cell_id", field(0, "4")),
    Fault("a class too long for any integer", "trace.class-range", "cell_id", field(0, "1" * 5000)),
    Fault("a class that is a word", "trace.class-shape", "cell_id", field(0, "three")),
    Fault("a class with a decimal", "trace.class-shape", "cell_id", field(0, "2.0")),
    Fault("a class in Arabic digits", "trace.class-shape", "cell_id", field(0, "١")),
    Fault("no class", "table.empty-field", "cell_id", field(0, "")),
    Fault("a negative repetition", "trace.rep-range", "rep", field(1, "-1")),
    Fault("a repetition above 2^31 - 1", "trace.rep-range", "rep", field(1, "2147483648")),
    Fault("a repetition with an exponent", "trace.rep-shape", "rep", field(1, "1e0")),
    Fault("a repetition that is NaN", "trace.rep-finite", "rep", field(1, "NaN")),
    Fault("a repetition of spaces", "table.empty-field", "rep", field(1, "  ")),
    Fault("a size of 0", "trace.size-zero", "direction_size", field(2, "0")),
    Fault("a size of -0", "trace.size-zero", "direction_size", field(2, "-0")),
    Fault("a size too large", "trace.size-range", "direction_size", field(2, "65536")),
    Fault("a size too small", "trace.size-range", "direction_size", field(2, "-65536")),
    Fault("5.7 bytes", "trace.size-shape", "direction_size", field(2, "5.7")),
    Fault("a hexadecimal size", "trace.size-shape", "direction_size", field(2, "0x10")),
    Fault("a size with a separator", "trace.size-shape", "direction_size", field(2, "1_000")),
    Fault("a size that is infinite", "trace.size-finite", "direction_size", field(2, "inf")),
    Fault("a size that is missing", "trace.size-shape", "direction_size", field(2, "NA")),
    Fault("a time that is NaN", "trace.time-finite", "timestamp", field(3, "NaN")),
    Fault("a time that is infinite", "trace.time-finite", "timestamp", field(3, "-inf")),
    Fault("a time that overflows", "trace.time-finite", "timestamp", field(3, "1e309")),
    Fault("a time in milliseconds of the epoch", "trace.time-range", "timestamp", field(3, "1649000000000")),
    Fault("a time of day", "trace.time-shape", "timestamp", field(3, "12:30:00")),
    Fault("a time with a space behind", "trace.time-shape", "timestamp", field(3, "0.5 ")),
    Fault("no time", "table.empty-field", "timestamp", field(3, "")),
    Fault("a field too few", "table.field-count", None, whole_line(lambda line: line.rsplit(",", 1)[0])),
    Fault("a field too many", "table.field-count", None, whole_line(lambda line: line + ",1")),
    Fault("decimal commas", "table.field-count", None, whole_line(lambda line: line.replace(".", ","))),
    Fault("an empty line", "table.empty-line", None, whole_line(lambda line: "\n" + line)),
    Fault("a NUL", "table.nul", None, whole_line(lambda line: line + "\0")),
    Fault("a lone quotation mark", "table.quote", None, whole_line(lambda line: '"' + line)),
    Fault("a quotation mark inside", "table.quote", None, whole_line(lambda line: line.replace(",", '",', 1))),
    Fault("Latin-1", "table.encoding", None, whole_line(lambda line: "\udce9" + line)),
    Fault("a line that never ends", "table.line-length", None, whole_line(lambda line: line + "0" * 1_000_001)),
    Fault("no header", "table.header", None, lambda _, lines, __: lines[1:], 1),
    Fault("a column misspelt", "table.header", None, header("cell_id,rep,size,timestamp"), 1),
    Fault("a column twice", "table.header", None, header("cell_id,rep,direction_size,timestamp,rep"), 1),
    Fault("semicolons", "table.header", None, lambda _, lines, __: [x.replace(",", ";") for x in lines], 1),
    Fault("nothing but a header", "table.no-rows", None, lambda _, lines, __: lines[:1], 1),
    Fault("no traces of a class", "trace.classes-missing", "cell_id", rows_changed(without_cell), None),
    Fault("too few repetitions", "trace.repetitions", "cell_id", rows_changed(fewer_repetitions), None),
    Fault("too many repetitions", "trace.repetitions", "cell_id", rows_changed(more_repetitions), None),
    Fault("a short trace", "trace.packets-min", None, of_trace(lambda rows: rows[:5]), 42),
    Fault("nothing received", "trace.none-received", None, one_way(1), 42),
    Fault("nothing sent", "trace.none-sent", None, one_way(-1), 42),
    Fault("a trace too long", "trace.duration", "timestamp", later(7, 100.0), 49),
    Fault("time runs back", "trace.runs-back", "timestamp", of_trace(two_captures), 46),
    Fault("a copy", "trace.copies", None, rows_changed(copied), None),
    Fault("tiny packets", "trace.implausible-volume", None, everywhere(tiny), None),
    Fault("no time at all", "trace.implausible-duration", None, everywhere(lambda r: (*r[:3], r[3] / 1000)), None),
]  # fmt: skip


def report_of(fault: Fault, rows: list[Row]) -> tuple[list[tuple[str, int | None, str | None, int]], int]:
    """What is said of the fault, and the line that was spoilt."""
    lines = as_lines(rows)
    at = int(np.random.default_rng(len(fault.name)).integers(1, len(lines)))
    sent = "\n".join(fault.plant(rows, lines, at)) + "\n"
    traces, report = read_defence(sent.encode("utf-8", "surrogateescape"), STRICT, "planted.csv")
    assert traces is None
    return [(found.code, found.line, found.column, found.more) for found in report.problems], at + 1


def test_one_fault_is_named_exactly() -> None:
    """F6: code, line and column of each planted fault, and no other problem."""
    rows = defence_rows(packets=PACKETS)
    wrong = {}
    for fault in FAULTS:
        found, spoilt = report_of(fault, rows)
        if found != [(fault.code, spoilt if fault.line == 0 else fault.line, fault.column, 0)]:
            wrong[fault.name] = found
    record("F6", len(FAULTS), lost=len(wrong), note="planted faults named by code, line and column")
    assert not wrong
    assert len(FAULTS) >= 40


def test_the_file_without_a_fault_is_accepted() -> None:
    _, report = read_defence(("\n".join(as_lines(defence_rows())) + "\n").encode(), STRICT, "valid.csv")
    assert report.to_json() == {"accepted": True, "problems": [], "warnings": [], "signals": [], "omitted": 0}


def test_all_faults_of_a_file_are_told_at_once() -> None:
    lines = as_lines(defence_rows())
    lines[3] = lines[3].replace("1,", "9,", 1)
    lines[5] += ",1"
    lines[7] = "1,0,0,nan"
    lines[9] = "1,0,0,0.5"
    _, report = read_defence("\n".join(lines).encode(), STRICT, "several.csv")
    assert [(problem.code, problem.line, problem.more, problem.places) for problem in report.problems] == [
        ("trace.class-range", 4, 0, ()),
        ("table.field-count", 6, 0, ()),
        ("trace.size-zero", 8, 1, (10,)),
        ("trace.time-finite", 8, 0, ()),
    ]

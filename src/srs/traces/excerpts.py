"""What the file itself says at the places of a report: its own lines, with the field at fault marked.

Only after a failure: the lines are looked up again in the opened file, so that nobody has to count to line 48 213.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from srs.traces.archive import Opened
from srs.traces.locate import field_spans
from srs.traces.report import Excerpt, Problem, Report, visible

SHOWN_MAX = 80
_MARKED_MAX = 40
_BLOCK_BYTES = 1 << 20
# A line longer than any that is read; what lies beyond is not looked at.
_LINE_MAX_BYTES = 1_000_000


def with_excerpts(report: Report, opened: Opened, names: Sequence[str]) -> Report:
    """The same report, each problem with the lines at its places; ``names`` is the order of the file's columns."""
    numbers = {number for problem in report.problems for number in _places(problem)}
    if not numbers:
        return report
    lines = _rows_of(opened, numbers, names) if opened.kind == "parquet" else lines_of(opened.data, numbers)
    problems = tuple(_with_excerpts(problem, lines, names) for problem in report.problems)
    return dataclasses.replace(report, problems=problems)


def lines_of(data: bytes, numbers: Iterable[int]) -> dict[int, bytes]:
    """The lines of these numbers, from 1, at most a million bytes of each; without those that the file has not."""
    found: dict[int, bytes] = {}
    start, line = 0, 1
    for number in sorted(set(numbers)):
        start, line = _forward(data, start, line, number)
        if line == number and start < len(data):
            end = data.find(b"\n", start, start + _LINE_MAX_BYTES)
            found[number] = data[start : end if end >= 0 else start + _LINE_MAX_BYTES].removesuffix(b"\r")
    return found


def _forward(data: bytes, start: int, line: int, number: int) -> tuple[int, int]:
    """Where a later line begins, and its number: a lower one where the data end before it.

    Blocks that do not reach it are only counted, each once; in its own block each line is stepped over.
    """
    while start < len(data):
        newlines = data.count(b"\n", start, start + _BLOCK_BYTES)
        if line + newlines >= number:
            break
        start, line = start + _BLOCK_BYTES, line + newlines
    else:
        return start, line
    for _ in range(number - line):
        start = data.find(b"\n", start) + 1
    return start, number


def excerpt(number: int, line: bytes, column: int | None, columns: int) -> Excerpt:
    """At most 80 characters of a line, with what is at fault in it marked.

    That is the first byte that is no text, else the field of ``column`` (its index), else the fields beyond
    ``columns``; nothing is marked where none of these is there.
    """
    begin, end = 0, 0
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        text = line.decode("utf-8", "backslashreplace")
        begin = len(line[: error.start].decode("utf-8"))
        return _cut(number, text, begin, begin + len("\\xff"))
    spans = field_spans(text) or []
    if "\0" in text:
        begin = text.index("\0")
        end = begin + 1
    elif column is not None and column < len(spans):
        begin, end = spans[column]
    elif len(spans) > columns:
        begin, end = spans[columns][0], len(text)
    return _cut(number, text, begin, end)


def _cut(number: int, text: str, begin: int, end: int) -> Excerpt:
    """The marked part, at most half of what is shown, with as much of what stands around it as there is room."""
    marked = _head(text[begin:end], _MARKED_MAX)
    room = SHOWN_MAX - len(marked)
    after = _head(text[end:], max(room // 2, room - len(_tail(text[:begin], room))))
    return Excerpt(number, _tail(text[:begin], room - len(after)), marked, after)


def _head(text: str, most: int) -> str:
    shown = visible(text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _tail(text: str, most: int) -> str:
    shown = visible(text[-most - 1 :])
    return shown if len(shown) <= most else "…" + shown[len(shown) - most + 1 :]


def _rows_of(opened: Opened, numbers: set[int], names: Sequence[str]) -> dict[int, bytes]:
    """The rows of a Parquet file as lines of CSV."""
    rows = pl.scan_parquet(io.BytesIO(opened.data)).select(names).with_row_index("", offset=1)
    wanted = rows.filter(pl.col("").is_in(list(numbers))).collect()
    return {number: ",".join(_as_text(value) for value in row).encode() for number, *row in wanted.iter_rows()}


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _places(problem: Problem) -> tuple[int, ...]:
    return () if problem.line is None else (problem.line, *problem.places)


def _with_excerpts(problem: Problem, lines: Mapping[int, bytes], names: Sequence[str]) -> Problem:
    column = names.index(problem.column) if problem.column in names else None
    shown = [excerpt(number, lines[number], column, len(names)) for number in _places(problem) if number in lines]
    return dataclasses.replace(problem, excerpts=tuple(shown))

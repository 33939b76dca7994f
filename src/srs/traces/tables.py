"""An opened file and the rules of its columns become a typed table, or a report of every fault."""

from __future__ import annotations

import collections
from collections.abc import Collection, Sequence

import polars as pl

from srs.traces.archive import Opened
from srs.traces.excerpts import with_excerpts
from srs.traces.locate import LINE_MAX_BYTES, locate, overlong_line, split_fields
from srs.traces.parquet import parquet_names, read_parquet
from srs.traces.parse import parse
from srs.traces.report import Problem, Report, grouped, quoted
from srs.traces.schema import CAPTURE, REP, SIZE, Columns, is_probability

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
# Of a race with a thousand classes every column has its place, but not in a message.
_NAMES_SHOWN = 10


def read_table(opened: Opened, columns: Columns) -> pl.DataFrame | Report:
    """Read every row, checked against the rule of its column.

    Returns a frame with exactly the given columns in the given order (int32 or float64, no nulls, all finite, at
    least one row, in the file's order), or a report with at least one problem. Raises ``FileError`` for a Parquet
    file that is damaged or too large.
    """
    table = _read_parquet(opened, columns) if opened.kind == "parquet" else _read_csv(opened.data, columns)
    if isinstance(table, pl.DataFrame) and table.is_empty():
        # The header is a line of a CSV file; in Parquet no row is there to be named.
        header = None if opened.kind == "parquet" else 1
        table = Report((Problem("table.no-rows", "The table has a header and no row.", header),))
    return showing_lines(table, opened) if isinstance(table, Report) else table


def showing_lines(report: Report, opened: Opened) -> Report:
    """The report with the file's own lines at its places."""
    if opened.kind == "parquet":
        return with_excerpts(report, opened, parquet_names(opened.data))
    header = _header(opened.data)
    # A line that was refused for its length is no header to be split.
    return with_excerpts(report, opened, _csv_names(header) if len(header) <= LINE_MAX_BYTES else [])


def _read_parquet(opened: Opened, columns: Columns) -> pl.DataFrame | Report:
    problem = _header_problem(parquet_names(opened.data), columns, None)
    return Report((problem,)) if problem else read_parquet(opened.data, columns, opened.unpacked_max_bytes)


def _read_csv(data: bytes, columns: Columns) -> pl.DataFrame | Report:
    if data.endswith((b"\n\n", b"\n\r\n")):
        data = data.rstrip(b"\r\n")  # blank lines at the very end are an editor's habit
    if overlong := overlong_line(data):
        return overlong
    header = _header(data)
    names = _csv_names(header)
    if problem := _header_problem(names, columns, 1, _header_hint(header)):
        return Report((problem,))
    table = parse(data, names, columns, skip_lines=1)
    return locate(data, names, columns) if table is None else table.select(list(columns))


def _header(data: bytes) -> bytes:
    return data[: data.find(b"\n")] if b"\n" in data else data


def _csv_names(header: bytes) -> list[str]:
    text = header.removeprefix(_BOM).removesuffix(b"\r").decode("utf-8", "backslashreplace")
    return [name.strip() for name in split_fields(text) or [text]]


def _header_problem(names: Sequence[str], columns: Columns, line: int | None, hint: str = "") -> Problem | None:
    found = collections.Counter(names)
    missing = [name for name in columns if name not in found]
    unknown = [name for name in found if name not in columns]
    twice = [name for name in columns if found[name] > 1]
    faults = {"missing": missing, "unknown": unknown, "twice": twice}
    if not any(faults.values()):
        return None
    if other := _other_kind(found, columns):
        return Problem("table.other-kind", other, line)
    listing = "".join(f"; {fault}: {_listed(names)}" for fault, names in faults.items() if names)
    return Problem("table.header", f"Columns must be {_listed(list(columns))}{listing}.", line, hint=hint)


def _other_kind(found: Collection[str], columns: Columns) -> str:
    """Which file of this race it looks like, and where that belongs; empty where it looks like none."""
    holds_guesses, asks_guesses = (any(map(is_probability, names)) for names in (found, columns))
    if holds_guesses and not asks_guesses:
        return "This looks like an attack (it has probabilities of classes): send it on the page Attack or Practice."
    if not asks_guesses or holds_guesses or SIZE not in found:
        return ""
    if CAPTURE in found and REP not in found:
        return (
            "This looks like the test set of a match, the traces to guess; an attack has one row for each of them, "
            "with a probability for each class."
        )
    return "This looks like a defence (it has a line for each packet): send it on the page Defence."


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(quoted(name) or '""' for name in names[:_NAMES_SHOWN]) + (
        f" and {grouped(rest)} more" if rest > 0 else ""
    )


def _header_hint(header: bytes) -> str:
    if header.startswith(_UTF16_BOMS):
        return "The file is UTF-16; save it as UTF-8."
    if b"," not in header and (b";" in header or b"\t" in header):
        return "Separate the fields by commas."
    return ""

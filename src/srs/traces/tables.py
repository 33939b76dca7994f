"""An opened file and the rules of its columns become a typed table, or a report of every fault."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import polars as pl

from srs.traces.archive import Opened
from srs.traces.locate import locate, overlong_line, split_fields
from srs.traces.parquet import parquet_names, read_parquet
from srs.traces.parse import parse
from srs.traces.report import Problem, Report, grouped, quoted
from srs.traces.schema import Columns

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
        return Report((Problem("table.no-rows", "The table has a header and no row.", 1),))
    return table


def _read_parquet(opened: Opened, columns: Columns) -> pl.DataFrame | Report:
    problem = _header_problem(parquet_names(opened.data), columns)
    return Report((problem,)) if problem else read_parquet(opened.data, columns, opened.unpacked_max_bytes)


def _read_csv(data: bytes, columns: Columns) -> pl.DataFrame | Report:
    if data.endswith((b"\n\n", b"\n\r\n")):
        data = data.rstrip(b"\r\n")  # blank lines at the very end are an editor's habit
    if overlong := overlong_line(data):
        return overlong
    header = data[: data.find(b"\n")] if b"\n" in data else data
    text = header.removeprefix(_BOM).removesuffix(b"\r").decode("utf-8", "backslashreplace")
    names = [name.strip() for name in split_fields(text) or [text]]
    if problem := _header_problem(names, columns, _header_hint(header)):
        return Report((problem,))
    table = parse(data, names, columns, skip_lines=1)
    return locate(data, names, columns) if table is None else table.select(list(columns))


def _header_problem(names: Sequence[str], columns: Columns, hint: str = "") -> Problem | None:
    found = collections.Counter(names)
    missing = [name for name in columns if name not in found]
    unknown = [name for name in found if name not in columns]
    twice = [name for name in columns if found[name] > 1]
    faults = {"missing": missing, "unknown": unknown, "twice": twice}
    if not any(faults.values()):
        return None
    listing = "".join(f"; {fault}: {_listed(names)}" for fault, names in faults.items() if names)
    return Problem("table.header", f"Columns must be {_listed(list(columns))}{listing}.", 1, hint=hint)


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

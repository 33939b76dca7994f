"""The rows of a defence file, gathered into traces; times and their order are still those of the file."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl

from srs.traces.schema import REP, SIZE, TIME
from srs.traces.trace_set import Floats, Int32s, Int64s


@dataclasses.dataclass(frozen=True, eq=False)
class Grouped:
    """Traces in the order of (class, rep), the packets of each in the order of the file.

    As ``TraceSet``, but ``time_s`` is the file's own timestamp. ``rows`` is the row of each packet in the file,
    counted from 0 (None where all stand in the file's order), ``first_line`` the line of row 0.
    """

    class_of_trace: Int32s
    rep_of_trace: Int32s
    starts: Int64s
    size: Int32s
    time_s: Floats
    rows: Int64s | None
    first_line: int

    def line(self, packet: int) -> int:
        """The line of a packet in the file (in Parquet its row), from 1."""
        return self.first_line + (packet if self.rows is None else int(self.rows[packet]))


def group(table: pl.DataFrame, class_column: str, first_line: int) -> Grouped:
    """Gather a table of ``tables.read_table`` (at least one row) into traces."""
    of_class, rep = table[class_column].to_numpy(), table[REP].to_numpy()
    size, time_s = table[SIZE].to_numpy(), table[TIME].to_numpy()
    key = (of_class.astype(np.int64) << 31) | rep
    rows: Int64s | None = None
    begins = _run_begins(key)
    if np.any(np.diff(key[begins]) <= 0):
        rows = np.argsort(key, kind="stable")
        of_class, rep, size, time_s, key = of_class[rows], rep[rows], size[rows], time_s[rows], key[rows]
        begins = _run_begins(key)
    return Grouped(
        class_of_trace=of_class[begins],
        rep_of_trace=rep[begins],
        starts=np.append(begins, len(key)),
        size=size,
        time_s=time_s,
        rows=rows,
        first_line=first_line,
    )


def _run_begins(key: Int64s) -> Int64s:
    return np.concatenate(([0], np.flatnonzero(key[1:] != key[:-1]) + 1))

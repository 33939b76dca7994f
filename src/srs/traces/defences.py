"""A defence file becomes a trace set, or a report of everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from srs.errors import FileError
from srs.game.race import RaceRules
from srs.traces.archive import Opened, open_table
from srs.traces.checks import (
    check_clocks,
    check_copies,
    check_plausible,
    check_traces,
    durations,
    unsorted_traces,
)
from srs.traces.grouping import Grouped, group
from srs.traces.report import Problem, Report
from srs.traces.schema import defence_columns
from srs.traces.tables import read_table, showing_lines
from srs.traces.trace_set import TraceSet

MEGABYTE = 1_000_000
_TICKS_PER_S = 1_000_000


def read_defence(
    source: Path | bytes | bytearray | memoryview, rules: RaceRules, name: str
) -> tuple[TraceSet | None, Report]:
    """Read and check a defence; ``name`` is the sender's name for the file.

    Returns the trace set and what is worth telling about it, or None and a report with at least one problem.
    Faults of single fields are told first; once every field can be read, all faults of traces together.
    """
    try:
        opened = _open(source, rules, name)
        table = read_table(opened, defence_columns(rules))
    except FileError as error:
        return None, Report((Problem(error.code, error.sentence, hint=error.hint),))
    if isinstance(table, Report):
        return None, table
    grouped = group(table, rules.classes.column, first_line=1 if opened.kind == "parquet" else 2)
    del opened, table  # the largest things in memory, no longer needed
    problems = tuple(check_traces(grouped, rules))
    if problems:
        del grouped  # opened again, the file needs its place
        return None, showing_lines(Report(problems), _open(source, rules, name))
    warnings = tuple(check_clocks(grouped, rules))
    traces = _in_time(grouped)
    return _judged(traces, warnings, rules)


def _open(source: Path | bytes | bytearray | memoryview, rules: RaceRules, name: str) -> Opened:
    return open_table(
        source,
        name,
        packed_max_bytes=rules.traces.upload_max_mb * MEGABYTE,
        unpacked_max_bytes=rules.traces.unpacked_max_mb * MEGABYTE,
    )


def _in_time(grouped: Grouped) -> TraceSet:
    """Sort each trace by time where it is not, and count its time from its first packet."""
    size, time_s = grouped.size, grouped.time_s
    unsorted = unsorted_traces(grouped)
    if unsorted:
        size, time_s = size.copy(), time_s.copy()
        for trace in unsorted:
            packets = slice(*grouped.starts[trace : trace + 2])
            order = np.argsort(time_s[packets], kind="stable")
            size[packets], time_s[packets] = size[packets][order], time_s[packets][order]
    since_first = time_s - np.repeat(time_s[grouped.starts[:-1]], np.diff(grouped.starts))
    since_first *= _TICKS_PER_S
    return TraceSet(
        class_of_trace=grouped.class_of_trace,
        rep_of_trace=grouped.rep_of_trace,
        starts=grouped.starts,
        size=size,
        time_us=np.rint(since_first, out=since_first).astype(np.int64),
        duration_s=durations(grouped),
    )


def _judged(traces: TraceSet, warnings: tuple[Problem, ...], rules: RaceRules) -> tuple[TraceSet | None, Report]:
    """Copies and implausible medians are problems or signals to staff, as the race says."""
    suspicious = [
        (rules.traces.copies, tuple(check_copies(traces))),
        (rules.traces.plausibility, tuple(check_plausible(traces))),
    ]
    problems = tuple(found for ways, several in suspicious for found in several if ways == "reject")
    signals = tuple(found for ways, several in suspicious for found in several if ways == "signal")
    return None if problems else traces, Report(problems, warnings, signals)

"""Whole-column checks of a defence: what its traces must be, and what honest ones are not.

Each check yields at most one ``Problem``: the first place, and how many more there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from srs.game.race import RaceRules
from srs.traces.grouping import Grouped
from srs.traces.report import PLACES_MAX, Problem, counted, grouped, listed, plural
from srs.traces.trace_set import TraceSet

# Honest captures step back by up to 13.9 ms, where packets overtake each other on the way to the capture.
STEP_BACK_MAX_S = 0.050
# A trace that starts further from 0 than this keeps another clock than its own.
OFF_ZERO_MAX_S = 0.050
# Half a microsecond: what is at a limit as written shall not exceed it by rounding.
_ROUNDING_S = 0.5e-6
MEDIAN_VOLUME_MIN_BYTES, MEDIAN_DURATION_MIN_S = 1000, 0.050
_COPIES_SHOWN = 3


def check_traces(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    """Every rule that a trace or a class of a defence breaks."""
    yield from _classes_missing(traces, rules)
    yield from _repetitions(traces, rules)
    yield from _too_short(traces, rules)
    yield from _one_way(traces, rules)
    yield from _too_long(traces, rules)
    yield from _runs_back(traces, rules)


def _classes_missing(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    missing = np.setdiff1d(np.arange(1, rules.classes.count + 1), traces.class_of_trace)
    if missing.size:
        noun = rules.classes.singular if missing.size == 1 else plural(rules.classes.singular)
        yield Problem(
            "trace.classes-missing",
            f"No traces for {noun} {listed(_labels(missing, rules), 20)}.",
            column=rules.classes.column,
            more=len(missing) - 1,
        )


def _labels(classes: npt.NDArray[np.integer], rules: RaceRules) -> list[str]:
    """The numbers of the classes, with their names where the race gives them."""
    names = rules.classes.names
    return [f"{number} ({names[number - 1]})" if names else str(number) for number in classes.tolist()]


def _repetitions(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    least, most = rules.traces.repetitions
    classes, counts = np.unique(traces.class_of_trace, return_counts=True)
    wrong = np.flatnonzero((counts < least) | (counts > most))
    if wrong.size:
        labels = _labels(classes[wrong], rules)
        noun = rules.classes.singular
        others = f"Also {plural(noun)} {listed(labels[1:])}." if len(labels) > 1 else ""
        yield Problem(
            "trace.repetitions",
            f"{noun.capitalize()} {labels[0]} has {counted(int(counts[wrong[0]]), 'trace')}; "
            f"{least} to {most} are required.",
            column=rules.classes.column,
            more=len(wrong) - 1,
            hint=others,
        )


def _too_short(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    lengths = np.diff(traces.starts)
    short = np.flatnonzero(lengths < rules.traces.packets_min)
    if short.size:
        found = counted(int(lengths[short[0]]), "packet")
        what = f" has {found}; at least {rules.traces.packets_min} are required"
        yield _of_traces("trace.packets-min", what, traces, short, traces.starts[short], rules)


def _one_way(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    begins = traces.starts[:-1]
    largest, smallest = np.maximum.reduceat(traces.size, begins), np.minimum.reduceat(traces.size, begins)
    for word, silent in (("sent", largest < 0), ("received", smallest > 0)):
        which = np.flatnonzero(silent)
        if which.size:
            sign = "+" if word == "sent" else "-"
            what = f" has no {word} packet (direction_size with {sign})"
            yield _of_traces(f"trace.none-{word}", what, traces, which, begins[which], rules)


def _too_long(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    duration = durations(traces)
    most = rules.traces.duration_max_s
    which = np.flatnonzero(duration > most + _ROUNDING_S)
    if which.size:
        what = f" lasts {_span(float(duration[which[0]]))}; at most {most:g} s are accepted"
        lasts = traces.starts[which + 1] - 1
        yield _of_traces("trace.duration", what, traces, which, lasts, rules, "timestamp")


def _runs_back(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    if len(traces.class_of_trace) > rules.classes.count * rules.traces.repetitions[1]:
        return  # refused for that already; looking into each would only cost time
    which, packets, drops = [], [], []
    for trace in unsorted_traces(traces):
        begin, end = traces.starts[trace : trace + 2]
        time_s = traces.time_s[begin:end]
        drop = np.maximum.accumulate(time_s) - time_s
        too_far = drop > STEP_BACK_MAX_S + _ROUNDING_S
        if too_far.any():
            first = int(np.argmax(too_far))
            which.append(trace)
            packets.append(begin + first)
            drops.append(float(drop[first]))
    if which:
        noun = rules.classes.singular
        where = grouped(traces.line(packets[0]))
        what = f": time runs back by {_span(drops[0])} at line {where} (two captures under one {noun} and rep?)"
        yield _of_traces("trace.runs-back", what, traces, which, packets, rules, "timestamp")


def unsorted_traces(traces: Grouped) -> list[int]:
    """The traces in which some packet is earlier than the one before it."""
    back = traces.time_s[1:] < traces.time_s[:-1]
    back[traces.starts[1:-1] - 1] = False
    packets = np.flatnonzero(back) + 1
    found: list[int] = np.unique(np.searchsorted(traces.starts, packets, side="right") - 1).tolist()
    return found


def durations(traces: Grouped) -> npt.NDArray[np.float64]:
    """Seconds from the earliest to the latest packet of each trace."""
    begins = traces.starts[:-1]
    latest: npt.NDArray[np.float64] = np.maximum.reduceat(traces.time_s, begins)
    return latest - np.minimum.reduceat(traces.time_s, begins)


def check_clocks(traces: Grouped, rules: RaceRules) -> Iterator[Problem]:
    """What was put right in the times of an accepted defence: sorted, shifted to start at 0."""
    unsorted = unsorted_traces(traces)
    if unsorted:
        what = ": time runs back a little; its packets were sorted by time"
        yield _of_traces("trace.sorted", what, traces, unsorted, traces.starts[unsorted], rules, "timestamp")
    first = np.minimum.reduceat(traces.time_s, traces.starts[:-1])
    shifted = np.flatnonzero(np.abs(first) > OFF_ZERO_MAX_S)
    if shifted.size:
        trace = int(shifted[0])
        yield Problem(
            "trace.absolute-times",
            f"{_name(traces, trace, rules)} starts at {first[trace]:.6f} s, not at 0: absolute times tell the "
            f"{rules.classes.singular}, so every trace was shifted to start at 0.",
            traces.line(int(traces.starts[trace])),
            "timestamp",
            more=len(shifted) - 1,
        )


def check_copies(traces: TraceSet) -> Iterator[Problem]:
    """Traces with the same sizes and times as another one; honest captures have none."""
    first_with: dict[bytes, int] = {}
    copies = []
    for trace, content in enumerate(traces.content_hashes):
        original = first_with.setdefault(content, trace)
        if original != trace:
            copies.append((original, trace))
    if copies:
        pairs = ", ".join(
            f"{_pair(traces, original)} = {_pair(traces, copy)}" for original, copy in copies[:_COPIES_SHOWN]
        )
        verb = "trace is an exact copy" if len(copies) == 1 else "traces are exact copies"
        yield Problem("trace.copies", f"{grouped(len(copies))} {verb} of another one, first {pairs}.")


def check_plausible(traces: TraceSet) -> Iterator[Problem]:
    """Medians below what any real capture has."""
    volume = float(np.median(traces.volume_in + traces.volume_out))
    if volume < MEDIAN_VOLUME_MIN_BYTES:
        yield Problem(
            "trace.implausible-volume",
            f"The median volume of a trace is {volume:g} bytes; a real capture has at least "
            f"{grouped(MEDIAN_VOLUME_MIN_BYTES)}.",
        )
    duration = float(np.median(traces.duration_s))
    if duration < MEDIAN_DURATION_MIN_S:
        yield Problem(
            "trace.implausible-duration",
            f"The median duration of a trace is {_span(duration)}; a real capture has at least "
            f"{_span(MEDIAN_DURATION_MIN_S)}.",
        )


def _of_traces(
    code: str,
    what: str,
    traces: Grouped,
    which: Sequence[int] | npt.NDArray[np.intp],
    packets: Sequence[int] | npt.NDArray[np.integer],
    rules: RaceRules,
    column: str | None = None,
) -> Problem:
    """A problem of several traces; ``packets`` are the places, one for each."""
    lines = [traces.line(int(packet)) for packet in packets[: PLACES_MAX + 1]]
    sentence = f"{_name(traces, int(which[0]), rules)}{what}."
    return Problem(code, sentence, lines[0], column, len(which) - 1, tuple(lines[1:]))


def _name(traces: Grouped, trace: int, rules: RaceRules) -> str:
    number = traces.class_of_trace[trace]
    return f"Trace ({rules.classes.singular} {number}, rep {traces.rep_of_trace[trace]})"


def _pair(traces: TraceSet, trace: int) -> str:
    return f"({traces.class_of_trace[trace]}, {traces.rep_of_trace[trace]})"


def _span(duration_s: float) -> str:
    return f"{duration_s * 1000:.3g} ms" if duration_s < 1 else f"{duration_s:.6g} s"

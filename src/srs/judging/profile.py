"""The profile of a trace set: what its pictures are drawn from, small enough to keep beside its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter

from srs.traces.trace_set import TraceSet

GRID_POINTS: Final = 60
GRID_TRACES_MAX: Final = 1000
EXAMPLES: Final = 6
EXAMPLE_PACKETS_MAX: Final = 300
QUARTILES: Final = (0.25, 0.5, 0.75)
# The grid ends where so many of the traces have ended: a few long ones must not flatten the rest.
_SHOWN_SHARE: Final = 0.95

Floats: TypeAlias = npt.NDArray[np.float64]
Int64s: TypeAlias = npt.NDArray[np.int64]
_STRICT: Final = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Quartiles:
    """Lower quartile, median and upper quartile: three lists of one length."""

    __pydantic_config__ = _STRICT

    low: list[float]
    median: list[float]
    high: list[float]


@dataclass(frozen=True)
class Example:
    """One trace: ``time_s`` and ``size_bytes`` (+ sent, - received) of at most 300 of its ``packets``."""

    __pydantic_config__ = _STRICT

    class_number: int
    packets: int
    received_bytes: float
    sent_bytes: float
    time_s: list[float]
    size_bytes: list[int]


@dataclass(frozen=True)
class Profile:
    """Volumes in bytes and durations in seconds, of each trace.

    ``received``, ``sent`` and ``duration_s`` have an entry for each of ``classes``; the ``grid_`` ones an entry for
    each moment of ``grid_s``: how much a trace has received and sent until then, over all traces (or 1 000 of them,
    evenly chosen from all classes).
    """

    __pydantic_config__ = _STRICT

    traces: int
    classes: list[int]
    received: Quartiles
    sent: Quartiles
    duration_s: Quartiles
    grid_s: list[float]
    grid_received: Quartiles
    grid_sent: Quartiles
    examples: list[Example]


_PROFILE: TypeAdapter[Profile] = TypeAdapter(Profile)


def write_profile(profile: Profile) -> bytes:
    """A profile as JSON: about 35 kB for 100 classes."""
    return _PROFILE.dump_json(profile)


def read_profile(data: bytes) -> Profile:
    """The profile that ``write_profile`` wrote. Raises ``ValueError`` for anything else."""
    return _PROFILE.validate_json(data)


def profile(traces: TraceSet) -> Profile:
    """The profile of a trace set; the same traces give the same one."""
    classes, begins = np.unique(traces.class_of_trace, return_index=True)
    ends = np.append(begins[1:], len(traces))
    end_s = float(np.quantile(traces.duration_s, _SHOWN_SHARE))
    grid_us = np.rint(np.linspace(0.0, max(end_s, 1e-6), GRID_POINTS) * 1e6).astype(np.int64)
    received, sent = _until(_evenly(traces), grid_us)
    return Profile(
        traces=len(traces),
        classes=classes.tolist(),
        received=_by_class(traces.volume_in, begins, ends, 0),
        sent=_by_class(traces.volume_out, begins, ends, 0),
        duration_s=_by_class(traces.duration_s, begins, ends, 3),
        grid_s=(grid_us / 1e6).tolist(),
        grid_received=_over_traces(received),
        grid_sent=_over_traces(sent),
        examples=[_example(traces, trace) for trace in _typical(traces, begins, ends)],
    )


def _by_class(values: npt.NDArray[np.generic], begins: Int64s, ends: Int64s, decimals: int) -> Quartiles:
    """Quartiles of each class with linear interpolation, as ``numpy.quantile``; traces lie class by class."""
    sizes = ends - begins
    ordered = np.asarray(values, dtype=np.float64)[np.lexsort((values, np.repeat(np.arange(sizes.size), sizes)))]
    found = []
    for share in QUARTILES:
        place = begins + share * (sizes - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, ends - 1)
        found.append(ordered[below] + (place - below) * (ordered[above] - ordered[below]))
    return _rounded(found, decimals)


def _evenly(traces: TraceSet) -> TraceSet:
    """At most ``GRID_TRACES_MAX`` of the traces: the quartiles hardly move, the packets are many."""
    if len(traces) <= GRID_TRACES_MAX:
        return traces
    return traces.select(np.linspace(0, len(traces) - 1, GRID_TRACES_MAX).round().astype(np.intp))


def _until(traces: TraceSet, grid_us: Int64s) -> tuple[Int64s, Int64s]:
    """Bytes received and sent by each trace until each moment of the grid; two of shape (traces, moments)."""
    firsts, time_us = traces.starts.tolist(), traces.time_us
    places = np.empty((len(traces), grid_us.size), dtype=np.int64)
    for trace in range(len(traces)):
        of_trace = time_us[firsts[trace] : firsts[trace + 1]]
        places[trace] = firsts[trace] + np.searchsorted(of_trace, grid_us, side="right")
    # Sums over all packets so far; a trace's own is the difference to where it begins.
    net, moved = (np.concatenate(([0], np.cumsum(part, dtype=np.int64))) for part in (traces.size, np.abs(traces.size)))
    begins = traces.starts[:-1, np.newaxis]
    net, moved = net[places] - net[begins], moved[places] - moved[begins]
    return (moved - net) // 2, (moved + net) // 2


def _over_traces(values: Int64s) -> Quartiles:
    return _rounded(list(np.quantile(values, QUARTILES, axis=0)), 0)


def _rounded(found: list[Floats], decimals: int) -> Quartiles:
    low, median, high = (np.round(part, decimals).tolist() for part in found)
    return Quartiles(low, median, high)


def _typical(traces: TraceSet, begins: Int64s, ends: Int64s) -> list[int]:
    """From each of a few classes, evenly spread, the trace whose received volume is nearest to the median."""
    chosen = np.unique(np.linspace(0, begins.size - 1, EXAMPLES).round().astype(np.int64))
    found = []
    for begin, end in zip(begins[chosen].tolist(), ends[chosen].tolist(), strict=True):
        volumes = traces.volume_in[begin:end]
        found.append(begin + int(np.argmin(np.abs(volumes - np.median(volumes)))))
    return found


def _example(traces: TraceSet, trace: int) -> Example:
    begin, end = traces.starts[trace : trace + 2].tolist()
    shown = begin + np.unique(np.linspace(0, end - begin - 1, EXAMPLE_PACKETS_MAX).round().astype(np.int64))
    return Example(
        class_number=int(traces.class_of_trace[trace]),
        packets=end - begin,
        received_bytes=float(traces.volume_in[trace]),
        sent_bytes=float(traces.volume_out[trace]),
        time_s=(traces.time_us[shown] / 1e6).round(4).tolist(),
        size_bytes=traces.size[shown].tolist(),
    )

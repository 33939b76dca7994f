"""Features: what an attacker computes from a trace before learning.

Every function takes ``Packets`` and returns a matrix with one row for each trace, in the order of its ``keys``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RAW_LENGTH: Final = 1000
_FIRST_SIZES: Final = 20
_CHUNKS: Final = 20
_QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)


class Packets(NamedTuple):
    """A trace set as arrays: trace i has packets ``starts[i]`` to ``starts[i + 1]``, in order of time.

    ``keys`` has one row for each trace; ``size`` is signed bytes (+ sent), ``at_s`` seconds.
    """

    keys: pl.DataFrame
    starts: Ints
    size: Ints
    at_s: Floats


def packets(table: pl.DataFrame, by: Sequence[str]) -> Packets:
    """Group a table with ``direction_size`` and ``timestamp`` (seconds) into traces named by the columns ``by``."""
    table = table.sort(*by, "timestamp", maintain_order=True)
    keys = table.group_by(*by, maintain_order=True).len("packets")
    starts = np.concatenate([[0], keys["packets"].cum_sum().to_numpy()]).astype(np.int64)
    size = table["direction_size"].cast(pl.Int64).to_numpy()
    return Packets(keys.drop("packets"), starts, size, table["timestamp"].cast(pl.Float64).to_numpy())


def raw_sizes(traces: Packets, length: int = RAW_LENGTH) -> Floats:
    """The first ``length`` signed sizes, zeros after the end; shape (traces, length)."""
    counts = np.diff(traces.starts)
    owner = np.repeat(np.arange(counts.size), counts)
    nth = np.arange(traces.size.size) - traces.starts[owner]
    early = nth < length
    matrix = np.zeros((counts.size, length))
    matrix[owner[early], nth[early]] = traces.size[early]
    return matrix


def counts(traces: Packets) -> Floats:
    """Packets sent and received, bytes sent and received; shape (traces, 4)."""
    sent = traces.size > 0
    columns = [sent, ~sent, np.where(sent, traces.size, 0), np.where(sent, 0, -traces.size)]
    return np.column_stack([_sums(traces, column) for column in columns]).astype(np.float64)


def counts_and_first_sizes(traces: Packets) -> Floats:
    """``counts`` and the first 20 sizes; shape (traces, 24)."""
    return np.hstack([counts(traces), raw_sizes(traces, _FIRST_SIZES)])


def fingerprint(traces: Packets) -> Floats:
    """A small relative of k-FP's features: counts, volumes, times, bursts and where in the trace packets are sent.

    Source: Hayes and Danezis, "k-fingerprinting", USENIX Security 2016, section 4.
    """
    rows = [
        _trace_features(traces.size[start:end], traces.at_s[start:end])
        for start, end in zip(traces.starts[:-1], traces.starts[1:], strict=True)
    ]
    return np.hstack([counts_and_first_sizes(traces), np.array(rows)])


def _trace_features(size: Ints, at_s: Floats) -> Floats:
    sent = size > 0
    at_s = at_s - at_s[0]
    place = np.flatnonzero(sent) / size.size
    turns = np.flatnonzero(np.diff(sent, prepend=~sent[0]))
    runs = np.diff(np.append(turns, size.size))
    received_runs = runs[~sent[turns]]
    sent_in_chunk = [chunk.sum() for chunk in np.array_split(sent, _CHUNKS)]
    bytes_by_tenth = np.interp(np.linspace(0, 1, 11), np.linspace(0, 1, size.size), np.cumsum(np.abs(size)))
    common = [(size == value).sum() for value in (-1500, -1488, -1476, -576, 576)]
    parts = (
        [at_s[-1], *np.quantile(at_s, _QUANTILES), *_spread(np.diff(at_s)), *_spread(at_s[sent])],
        [*_spread(place), *_spread(received_runs), received_runs.size],
        sent_in_chunk,
        np.diff(bytes_by_tenth),
        common,
    )
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])


def _spread(values: npt.NDArray[np.float64] | Ints) -> list[float]:
    """Mean, deviation, median and maximum; zeros where there is nothing."""
    if not values.size:
        return [0.0] * 4
    return [float(values.mean()), float(values.std()), float(np.median(values)), float(values.max())]


def _sums(traces: Packets, values: npt.NDArray[np.bool_] | Ints) -> Ints:
    """Sum of ``values`` over each trace; every trace has a packet, as ``packets`` makes sure."""
    return np.add.reduceat(values.astype(np.int64), traces.starts[:-1])

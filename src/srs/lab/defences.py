"""Padding defences of different strength and price, applied to a captured trace set.

Each takes a table ``cell_id, rep, direction_size, timestamp`` and a seed and returns another. They change a
capture after the fact, as the simulations of the cited papers do; real packets keep their times unless the defence
says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

Defence = Callable[[pl.DataFrame, int], pl.DataFrame]

SENT_BYTES: Final = 576
RECEIVED_BYTES: Final = 1500
_TRACE: Final = ("cell_id", "rep")


def full_packets(traces: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Every packet padded to full size: cheap, and weak, for counts and times stay.

    Dyer et al., "Peek-a-Boo", IEEE S&P 2012, pad to MTU. ``seed`` is not used.
    """
    del seed
    size = pl.col("direction_size")
    return traces.with_columns(pl.max_horizontal(size.abs(), RECEIVED_BYTES) * size.sign())


def dummies(traces: pl.DataFrame, seed: int, *, sent_per_s: float = 2.0, received_per_s: float = 12.0) -> pl.DataFrame:
    """Dummy packets at a constant mean rate in both directions until the trace ends (a Poisson process)."""
    rng = np.random.default_rng(seed)
    ends = _ends(traces)
    added = []
    for rate, size in ((sent_per_s, SENT_BYTES), (received_per_s, -RECEIVED_BYTES)):
        owner = np.repeat(np.arange(ends.height), rng.poisson(rate * ends["end_s"].to_numpy()))
        at_s = ends["end_s"].to_numpy()[owner] * rng.random(owner.size)
        added.append(_packets(ends, owner, at_s, size))
    return _merged(traces, *added)


def front(
    traces: pl.DataFrame,
    seed: int,
    *,
    sent_most: int = 150,
    received_most: int = 600,
    window_s: tuple[float, float] = (2.0, 16.0),
) -> pl.DataFrame:
    """FRONT: in each direction a random number of dummies at Rayleigh times, most of them early, until the trace ends.

    Gong and Wang, "Zero-delay Lightweight Defenses against Website Fingerprinting", USENIX Security 2020: number
    uniform in 1..N, padding window uniform in ``window_s``; no real packet is delayed.
    """
    rng = np.random.default_rng(seed)
    ends = _ends(traces)
    added = []
    for most, size in ((sent_most, SENT_BYTES), (received_most, -RECEIVED_BYTES)):
        owner = np.repeat(np.arange(ends.height), rng.integers(1, most, ends.height, endpoint=True))
        window = rng.uniform(*window_s, ends.height)
        at_s = rng.rayleigh(window[owner])
        within = at_s < ends["end_s"].to_numpy()[owner]
        added.append(_packets(ends, owner[within], at_s[within], size))
    return _merged(traces, *added)


def tamaraw(
    traces: pl.DataFrame,
    seed: int,
    *,
    sent_every_s: float = 0.04,
    received_every_s: float = 0.012,
    multiple: int = 100,
) -> pl.DataFrame:
    """Tamaraw: packets of one size at one rate in each direction, their number padded to a multiple of ``multiple``.

    Cai et al., "A Systematic Approach to Developing and Evaluating Website Fingerprinting Defenses", CCS 2014. All that
    remains to learn is how many hundred packets there were. A packet waits for the next free slot; what is larger
    than a slot takes several. ``seed`` is not used: nothing is drawn.
    """
    del seed
    columns = []
    for every_s, size in ((sent_every_s, SENT_BYTES), (received_every_s, -RECEIVED_BYTES)):
        slots = _slots(traces, every_s, size).with_columns(
            slots=(pl.col("slots") / multiple).ceil().cast(pl.Int64) * multiple
        )
        owner = np.repeat(np.arange(slots.height), slots["slots"].to_numpy())
        first = np.cumsum(slots["slots"].to_numpy()) - slots["slots"].to_numpy()
        at_s = (np.arange(owner.size) - first[owner]) * every_s
        columns.append(_packets(slots, owner, at_s, size))
    return _merged(*columns)


DEFENCES: Final[Mapping[str, Defence]] = {
    "full_packets": full_packets,
    "dummies": dummies,
    "front": front,
    "tamaraw": tamaraw,
}


def _ends(traces: pl.DataFrame) -> pl.DataFrame:
    """One row for each trace, in order of class and repetition, with the time of its last packet, ``end_s``."""
    return traces.group_by(_TRACE).agg(end_s=pl.col("timestamp").max()).sort(_TRACE)


def _slots(traces: pl.DataFrame, every_s: float, size: int) -> pl.DataFrame:
    """How many slots each trace needs in the direction of ``size`` until its last real packet has left.

    Packet i leaves in slot max(its own earliest slot, slot of packet i - 1, plus 1) = i + max over j <= i of
    (earliest slot of j, minus j).
    """
    same_way = traces.filter(pl.col("direction_size").sign() == int(np.sign(size)))
    pieces = (pl.col("direction_size").abs() / abs(size)).ceil().cast(pl.UInt32)
    needed = (
        same_way.sort(*_TRACE, "timestamp", maintain_order=True)
        .select(*_TRACE, pl.col("timestamp").repeat_by(pieces))
        .explode("timestamp")
        .with_columns(lead=(pl.col("timestamp") / every_s).ceil().cast(pl.Int64) - pl.int_range(pl.len()).over(_TRACE))
        .group_by(_TRACE)
        .agg(slots=pl.col("lead").max() + pl.len())
    )
    every_trace = traces.select(_TRACE).unique()
    return every_trace.join(needed, on=_TRACE, how="left").with_columns(pl.col("slots").fill_null(1)).sort(_TRACE)


def _packets(
    keys: pl.DataFrame, owner: npt.NDArray[np.int64], at_s: npt.NDArray[np.float64], size: int
) -> pl.DataFrame:
    """Packets of one signed size at ``at_s``; ``owner`` are row numbers of ``keys``."""
    return keys.select(_TRACE)[owner].with_columns(
        direction_size=pl.lit(size, dtype=pl.Int32), timestamp=pl.Series(np.round(at_s, 6))
    )


def _merged(*parts: pl.DataFrame) -> pl.DataFrame:
    columns = (*_TRACE, "direction_size", "timestamp")
    merged = pl.concat([part.select(columns) for part in parts], how="vertical_relaxed")
    first = pl.col("timestamp").min().over(_TRACE)
    return merged.sort(*_TRACE, "timestamp", maintain_order=True).with_columns(pl.col("timestamp") - first)

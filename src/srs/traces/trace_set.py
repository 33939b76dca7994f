"""Many traces in a few arrays: what a team sends, what a match hands out."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int32s: TypeAlias = npt.NDArray[np.int32]
Int64s: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

CONTENT_HASH_BYTES = 16


@dataclasses.dataclass(frozen=True, eq=False)
class TraceSet:
    """Traces in the order of (class, rep), their packets in the order of time.

    ``class_of_trace`` and ``rep_of_trace`` have shape (traces,). The packets of trace i are
    ``starts[i]:starts[i + 1]``; ``starts`` has shape (traces + 1,) and every trace has a packet. ``size`` is in
    bytes, + sent, - received; ``time_us`` in microseconds since the trace's first packet, both of shape (packets,).
    ``duration_s``, shape (traces,), is the last minus the first timestamp, at the precision of the file.
    """

    class_of_trace: Int32s
    rep_of_trace: Int32s
    starts: Int64s
    size: Int32s
    time_us: Int64s
    duration_s: Floats

    def __len__(self) -> int:
        return len(self.class_of_trace)

    @property
    def packets(self) -> int:
        """Number of packets in all traces."""
        return len(self.size)

    @functools.cached_property
    def volume_out(self) -> Int64s:
        """Bytes sent in each trace, shape (traces,)."""
        return np.add.reduceat(np.maximum(self.size, 0), self.starts[:-1], dtype=np.int64)

    @functools.cached_property
    def volume_in(self) -> Int64s:
        """Bytes received in each trace, shape (traces,)."""
        return -np.add.reduceat(np.minimum(self.size, 0), self.starts[:-1], dtype=np.int64)

    @functools.cached_property
    def content_hashes(self) -> list[bytes]:
        """For each trace BLAKE2b of its sizes and times (in microseconds), 16 bytes; class and rep do not count."""
        sizes, times = self.size.data.cast("B"), self.time_us.data.cast("B")
        hashes = []
        for begin, end in itertools.pairwise(self.starts.tolist()):
            content = hashlib.blake2b(sizes[4 * begin : 4 * end], digest_size=CONTENT_HASH_BYTES)
            content.update(times[8 * begin : 8 * end])
            hashes.append(content.digest())
        return hashes

    def select(self, traces: npt.NDArray[np.intp]) -> TraceSet:
        """These traces, in the order in which they are named."""
        lengths = np.diff(self.starts)[traces]
        starts = np.concatenate(([0], np.cumsum(lengths)))
        packets = np.arange(starts[-1]) + np.repeat(self.starts[traces] - starts[:-1], lengths)
        return TraceSet(
            class_of_trace=self.class_of_trace[traces],
            rep_of_trace=self.rep_of_trace[traces],
            starts=starts,
            size=self.size[packets],
            time_us=self.time_us[packets],
            duration_s=self.duration_s[traces],
        )

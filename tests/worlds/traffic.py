"""Defence files for tests: small, valid, and the same from the same seed."""

from __future__ import annotations

import functools

import numpy as np

from srs.game.race import Classes, RaceRules, Split, Traces

RULES = RaceRules(
    slug="three-cells",
    title="Three cells",
    classes=Classes(count=3),
    traces=Traces(repetitions=(4, 8), upload_max_mb=8, unpacked_max_mb=200),
    split=Split(test_traces=6, test_pool=6),
    rounds=(),
)
HEADER = "cell_id,rep,direction_size,timestamp"

Row = tuple[int, int, int, float]


def trace_rows(cell: int, rep: int, seed: int = 0, packets: int = 8) -> list[Row]:
    """One valid trace: a request, then mostly answers, within a few seconds."""
    rng = np.random.default_rng([cell, rep, seed])
    sizes = rng.choice([-1500, -1476, 576], packets, p=[0.6, 0.2, 0.2])
    sizes[0], sizes[1] = 576, -1500
    times = np.concatenate(([0.0], np.cumsum(rng.uniform(0.01, 0.5, packets - 1)))).round(6)
    return [(cell, rep, int(size), float(time)) for size, time in zip(sizes, times, strict=True)]


def defence_rows(classes: int = 3, repetitions: int = 4, seed: int = 0, packets: int = 8) -> list[Row]:
    """The rows of a valid defence, in order."""
    pairs = [(cell, rep) for cell in range(1, classes + 1) for rep in range(repetitions)]
    return [row for cell, rep in pairs for row in trace_rows(cell, rep, seed, packets)]


def as_lines(rows: list[Row]) -> list[str]:
    """The lines of a CSV file, header first, without their ends."""
    return [HEADER, *(f"{cell},{rep},{size},{time:.6f}" for cell, rep, size, time in rows)]


def as_csv(rows: list[Row]) -> bytes:
    """A CSV file."""
    return ("\n".join(as_lines(rows)) + "\n").encode()


@functools.cache
def defence_csv() -> bytes:
    """A valid defence of ``RULES``: 3 cells, 4 repetitions, 8 packets each; 96 rows."""
    return as_csv(defence_rows())

"""The key of a match: which class each of its test traces really is, and which of them give feedback early.

A sealed file of the server; no one who plays may see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl


@dataclass(frozen=True, eq=False)
class MatchKey:
    """Three arrays of shape (traces,): the test ids, their classes (1 to K) and whether each is public.

    ``team_id`` is the attacked team's public number. Public traces give feedback before the round closes.
    """

    team_id: int
    capture_ids: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    is_public: npt.NDArray[np.bool_]


def write_key(key: MatchKey, path: Path) -> None:
    """Seal a key: Parquet with the columns ``capture_id, class, is_public``."""
    columns = {"capture_id": key.capture_ids, "class": key.classes, "is_public": key.is_public}
    pl.DataFrame(columns).write_parquet(path)


def read_key(team_id: int, path: Path) -> MatchKey:
    """The key that ``write_key`` wrote."""
    table = pl.read_parquet(path)
    ids, classes = (table[name].cast(pl.Int64).to_numpy() for name in ("capture_id", "class"))
    return MatchKey(team_id, ids, classes, table["is_public"].to_numpy())

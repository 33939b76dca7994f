"""The key of a match, sealed and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from srs.judging.key import MatchKey, read_key, write_key


def test_a_key_is_read_as_it_was_written(tmp_path: Path) -> None:
    key = MatchKey(4, np.array([2**31 - 1, 5]), np.array([100, 1]), np.array([True, False]))
    write_key(key, tmp_path / "key")
    again = read_key(4, tmp_path / "key")
    assert again.team_id == 4
    for name in ("capture_ids", "classes", "is_public"):
        written, found = getattr(key, name), getattr(again, name)
        assert found.dtype == written.dtype
        assert found.tolist() == written.tolist()

"""Capture ids: unique, within range, and without a trace of the counter."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.sizes import size
from srs.game.capture_ids import capture_ids

KEY = bytes(range(32))
PINNED = [2032144810, 1572472562, 618294862]


def test_ids_are_different_and_below_2_to_the_31() -> None:
    count = size(200_000, 1_000_000)
    ids = capture_ids(KEY, 0, count)
    assert ids.dtype == np.int64
    assert ids.shape == (count,)
    assert len(np.unique(ids)) == count
    assert ids.min() >= 0
    assert ids.max() < 2**31


def test_an_id_depends_on_its_counter_alone() -> None:
    ids = capture_ids(KEY, 0, 1000)
    assert np.array_equal(capture_ids(KEY, 300, 300), ids[300:600])
    assert capture_ids(KEY, 5, 0).shape == (0,)


def test_counters_far_apart_do_not_meet() -> None:
    starts = [0, 2**15 - 500, 2**16 - 500, 2**30, 2**31 - 1000]
    ids = np.concatenate([capture_ids(KEY, start, 1000) for start in starts])
    assert len(np.unique(ids)) == len(ids)


def test_another_key_gives_other_ids() -> None:
    same = np.intersect1d(capture_ids(KEY, 0, 1000), capture_ids(KEY[::-1], 0, 1000))
    assert len(same) < 5


def test_ids_look_random() -> None:
    """Neither order, nor a bit, nor a difference tells the counter: each within 5 standard deviations."""
    count = 100_000
    ids = capture_ids(KEY, 0, count)
    bits = (ids[:, None] >> np.arange(31)) & 1
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / count**0.5
    flipped = bits[::2] ^ bits[1::2]
    assert np.abs(flipped.mean(axis=0) - 0.5).max() < 5 * 0.5 / (count / 2) ** 0.5
    assert abs(np.corrcoef(ids, np.arange(count))[0, 1]) < 5 / count**0.5


def test_the_ids_of_a_key_never_change() -> None:
    """Stored matches hold only the first counter of their test sets."""
    assert capture_ids(KEY, 0, 3).tolist() == PINNED


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, -1), (2**31 - 1, 2)])
def test_counters_out_of_range_are_refused(first: int, count: int) -> None:
    with pytest.raises(ValueError, match="not all within"):
        capture_ids(KEY, first, count)

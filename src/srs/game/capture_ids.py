"""Ids of test traces: a keyed permutation of a counter, so that they are unique and tell nothing.

An alternating unbalanced Feistel network over 31 bits (Hoang and Rogaway, "On generalized Feistel networks",
CRYPTO 2010) whose round functions are tables of BLAKE2b words.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
from numpy.typing import NDArray

ID_BITS = 31
_LEFT_BITS, _RIGHT_BITS = 15, 16
_ROUNDS = 8


def capture_ids(key: bytes, first: int, count: int) -> NDArray[np.int64]:
    """The ids of the counters ``first .. first + count - 1``: shape (count,), each within ``[0, 2**31)``.

    Different counters below 2**31 have different ids under one ``key`` (at most 64 bytes), and without the key
    an id cannot be told from a random number. ``ValueError`` if a counter is outside that range.
    """
    if first < 0 or count < 0 or first + count > 2**ID_BITS:
        raise ValueError(f"counters {first} to {first + count - 1} are not all within 0 to 2**{ID_BITS} - 1")
    counters = np.arange(first, first + count, dtype=np.int64)
    left, right = counters >> _RIGHT_BITS, counters & (2**_RIGHT_BITS - 1)
    tables = _round_tables(key)
    for to_left, to_right in zip(tables[::2], tables[1::2], strict=True):
        left = left ^ to_left[right]
        right = right ^ to_right[left]
    ids: NDArray[np.int64] = (left << _RIGHT_BITS) | right
    return ids


@functools.lru_cache(maxsize=8)
def _round_tables(key: bytes) -> list[NDArray[np.int64]]:
    """For each round the word that is mixed into one half, by the value of the other."""
    return [
        _words(key, number, 2**_RIGHT_BITS) & (2**_LEFT_BITS - 1)
        if number % 2 == 0
        else _words(key, number, 2**_LEFT_BITS)
        for number in range(_ROUNDS)
    ]


def _words(key: bytes, number: int, count: int) -> NDArray[np.int64]:
    """``count`` 16-bit words of one round: BLAKE2b digests of a counter under the key and the round's number."""
    blocks = (
        hashlib.blake2b(block.to_bytes(4, "big"), key=key, person=b"srs.capture.%d" % number).digest()
        for block in range(count // 32)
    )
    return np.frombuffer(b"".join(blocks), dtype=">u2").astype(np.int64)

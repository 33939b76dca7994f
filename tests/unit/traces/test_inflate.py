"""Unpacking stops at its limits. Damage and bombs: tests/faults/test_archives.py."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from srs.errors import FileError
from srs.traces.inflate import RATIO_FROM_BYTES, gunzip, inflate, unzstd

PLAIN = bytes(range(256)) * 100


def test_the_limit_is_inclusive() -> None:
    for unpack, packed in ((gunzip, gzip.compress(PLAIN)), (unzstd, zstandard.compress(PLAIN))):
        assert unpack(memoryview(packed), len(PLAIN)) == PLAIN
        with pytest.raises(FileError, match=r"Unpacked size exceeds 0\.025599 MB"):
            unpack(memoryview(packed), len(PLAIN) - 1)


def test_what_unpacks_a_hundredfold_is_no_trace_set() -> None:
    packed = memoryview(gzip.compress(bytes(RATIO_FROM_BYTES)))
    assert len(gunzip(packed, 10**9)) == RATIO_FROM_BYTES
    with pytest.raises(FileError, match="more than 100 times as many") as caught:
        gunzip(memoryview(gzip.compress(bytes(RATIO_FROM_BYTES + 1))), 10**9)
    assert caught.value.code == "file.ratio"


def test_a_header_that_admits_too_much_is_believed() -> None:
    with pytest.raises(FileError, match="exceeds 1 MB"):
        inflate(memoryview(b"never looked at"), True, 0, 1_000_001, 1_000_000)

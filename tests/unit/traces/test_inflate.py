"""Unpacking stops at its limits. Damage and bombs: tests/faults/test_archives.py."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard

from srs.errors import FileError
from srs.traces.inflate import PIECES_MAX, RATIO_FROM_BYTES, gunzip, inflate, unzstd
from worlds.zips import deflated

PLAIN = bytes(range(256)) * 100


def test_the_limit_is_inclusive() -> None:
    for unpack, packed in ((gunzip, gzip.compress(PLAIN, mtime=0)), (unzstd, zstandard.compress(PLAIN))):
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


def test_the_member_of_a_zip_is_unpacked_or_taken_as_it_is() -> None:
    packed, crc = deflated(PLAIN), zlib.crc32(PLAIN)
    assert inflate(memoryview(packed), True, crc, len(PLAIN), len(PLAIN)) == PLAIN
    assert inflate(memoryview(PLAIN), False, crc, len(PLAIN), len(PLAIN)) == PLAIN


@pytest.mark.parametrize(
    ("packed", "unpacked_bytes", "crc", "code", "said"),
    [
        (
            deflated(PLAIN),
            10,
            0,
            "file.size-lie",
            "The zip is damaged: its header says 10 bytes, it holds 25 600.",
        ),
        (deflated(PLAIN) + b"x", len(PLAIN), 0, "file.size-lie", "The zip is damaged: its header says"),
        (deflated(PLAIN), len(PLAIN), 1, "file.damaged", "The zip is damaged (CRC)."),
        (b"\xff" * 50, 50, 0, "file.damaged", "its packed bytes make no sense."),
        (deflated(PLAIN)[:-5], len(PLAIN), 0, "file.damaged", "it ends in the middle (sent only in part?)."),
    ],
)
def test_a_member_that_is_not_what_its_header_says_is_damaged(
    packed: bytes, unpacked_bytes: int, crc: int, code: str, said: str
) -> None:
    with pytest.raises(FileError) as caught:
        inflate(memoryview(packed), True, crc, unpacked_bytes, 10**6)
    assert caught.value.code == code
    assert said in caught.value.sentence


CHECKED = zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN)


@pytest.mark.parametrize(
    ("unpack", "packed"),
    [
        (gunzip, gzip.compress(PLAIN[:1000], mtime=0) + gzip.compress(PLAIN[1000:], mtime=0)),
        (unzstd, zstandard.compress(PLAIN[:1000]) + zstandard.compress(PLAIN[1000:])),
        (unzstd, CHECKED),
        (unzstd, zstandard.ZstdCompressor(level=-5, write_content_size=False).compress(PLAIN)),
    ],
    ids=["members", "frames", "checksum", "size-unknown"],
)
def test_pieces_are_unpacked_one_after_the_other(unpack: Callable[[memoryview, int], bytes], packed: bytes) -> None:
    assert unpack(memoryview(packed), len(PLAIN)) == PLAIN


def test_a_frame_of_many_blocks_is_unpacked_some_at_a_time() -> None:
    numbers = b"".join(b"%d\n" % (number * 7919) for number in range(500_000))
    assert len(numbers) > 20 * 128 * 1024
    assert unzstd(memoryview(zstandard.compress(numbers)), len(numbers)) == numbers


MIDDLE = "The file is damaged: it ends in the middle (sent only in part?)."


@pytest.mark.parametrize(
    ("unpack", "packed", "code", "said"),
    [
        (gunzip, gzip.compress(PLAIN, mtime=0)[:-3], "file.damaged", MIDDLE),
        (
            gunzip,
            gzip.compress(PLAIN, mtime=0)[:-8] + bytes(8),
            "file.damaged",
            "The file is damaged: its checksum is wrong (CRC).",
        ),
        (
            gunzip,
            gzip.compress(b"", mtime=0) + bytes(10),
            "file.trailing-bytes",
            "After byte 20 of the packed file something else",
        ),
        (gunzip, gzip.compress(b"", mtime=0) * (PIECES_MAX + 1), "file.pieces", "This file is packed in more than 10"),
        (unzstd, CHECKED[:-3], "file.damaged", MIDDLE),
        (unzstd, CHECKED[:-4] + bytes(4), "file.damaged", "The file is damaged: it is not what Zstandard makes."),
        (unzstd, CHECKED + bytes(10), "file.trailing-bytes", "After byte"),
        (
            unzstd,
            b"\x28\xb5\x2f\xfd\x00\x58" + bytes(3) * (PIECES_MAX + 20),
            "file.pieces",
            "This file is packed in more",
        ),
        (unzstd, b"\x28\xb5\x2f\xfd", "file.damaged", "The file is damaged: it is not what Zstandard makes."),
    ],
)
def test_damaged_pieces_are_told(
    unpack: Callable[[memoryview, int], bytes], packed: bytes, code: str, said: str
) -> None:
    with pytest.raises(FileError) as caught:
        unpack(memoryview(packed), 10**6)
    assert caught.value.code == code
    assert caught.value.sentence.startswith(said)

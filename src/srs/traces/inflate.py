"""Deflate, gzip and Zstandard, counted while they unpack; no header is believed.

A stream stops as soon as it exceeds the limit in bytes or unpacks more than a hundredfold, so that a bomb costs
neither memory nor time.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator

import zstandard
from isal import igzip_lib, isal_zlib

from srs.errors import FileError
from srs.traces.report import grouped

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

# Honest trace sets unpack three- to tenfold; a short file may be more regular than that.
RATIO_MAX, RATIO_FROM_BYTES = 100, 32_000_000
# Members of a gzip, blocks of a Zstandard file: a limit to what costs time and yields nothing.
PIECES_MAX = 10_000
_FEED_BYTES, _PIECE_BYTES = 64 * 1024, 1024 * 1024
# A Zstandard block unpacks to 128 KiB at most (RFC 8878, section 3.1.1.2.4).
_BLOCKS_AT_ONCE = 16
_WINDOW_MAX_BYTES = 1 << 27


def too_large(unpacked_max_bytes: int) -> FileError:
    """The verdict on a file that is larger than the race allows once unpacked."""
    return FileError("file.unpacked-size", f"Unpacked size exceeds {unpacked_max_bytes / 1e6:g} MB.")


class _Unpacked:
    """The bytes unpacked so far, never more than the limits."""

    def __init__(self, unpacked_max_bytes: int) -> None:
        self.max_bytes = unpacked_max_bytes
        self.buffer = io.BytesIO()
        self.size = 0
        self.crc = 0

    def take(self, piece: bytes, packed_bytes: int) -> None:
        """Add a piece; ``packed_bytes`` of the input have been fed until now."""
        self.size += len(piece)
        if self.size > self.max_bytes:
            raise too_large(self.max_bytes)
        if self.size > RATIO_FROM_BYTES and self.size > RATIO_MAX * packed_bytes:
            raise FileError(
                "file.ratio",
                f"{grouped(packed_bytes)} bytes of this file unpack to more than {RATIO_MAX} times as many: "
                "that is no trace set.",
            )
        self.crc = isal_zlib.crc32(piece, self.crc)
        self.buffer.write(piece)


def inflate(packed: memoryview, is_deflated: bool, crc: int, unpacked_bytes: int, unpacked_max_bytes: int) -> bytes:
    """Unpack the member of a zip, a raw deflate stream or stored; both claims of its header must come true."""
    if unpacked_bytes > unpacked_max_bytes:
        raise too_large(unpacked_max_bytes)
    unpacked = _Unpacked(unpacked_max_bytes)
    if is_deflated:
        taken = _run(igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE), packed, 0, unpacked)
    else:
        taken = len(packed)
        unpacked.take(bytes(packed), taken)
    if unpacked.size != unpacked_bytes or taken != len(packed):
        raise FileError(
            "file.size-lie",
            f"The zip is damaged: its header says {grouped(unpacked_bytes)} bytes, it holds {grouped(unpacked.size)}.",
        )
    if unpacked.crc != crc:
        raise FileError("file.damaged", "The zip is damaged (CRC).")
    return unpacked.buffer.getvalue()


def gunzip(packed: memoryview, unpacked_max_bytes: int) -> bytes:
    """Unpack a gzip file of one or more members (RFC 1952); each one's checksum and length are verified."""
    return _chain(packed, GZIP_MAGIC, _gunzip_member, unpacked_max_bytes)


def unzstd(packed: memoryview, unpacked_max_bytes: int) -> bytes:
    """Unpack a Zstandard file of one or more frames (RFC 8878); checksums are verified where there are any."""
    context = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX_BYTES)
    return _chain(packed, ZSTD_MAGIC, functools.partial(_unzstd_frame, context), unpacked_max_bytes)


def _chain(
    packed: memoryview,
    magic: bytes,
    unpack_one: Callable[[memoryview, int, _Unpacked], int],
    unpacked_max_bytes: int,
) -> bytes:
    """Unpack one piece after the other; each must begin with the magic, the last must end with the file."""
    unpacked = _Unpacked(unpacked_max_bytes)
    at = 0
    for _ in range(PIECES_MAX):
        if bytes(packed[at : at + len(magic)]) != magic:
            raise FileError(
                "file.trailing-bytes", f"After byte {grouped(at)} of the packed file something else follows."
            )
        at = unpack_one(packed, at, unpacked)
        if at == len(packed):
            return unpacked.buffer.getvalue()
    raise _too_many_pieces()


def _gunzip_member(packed: memoryview, start: int, unpacked: _Unpacked) -> int:
    return _run(igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP), packed, start, unpacked)


def _run(decompressor: igzip_lib.IgzipDecompressor, packed: memoryview, start: int, unpacked: _Unpacked) -> int:
    """Unpack one deflate or gzip stream; returns the offset after its last byte."""
    fed = start
    while not decompressor.eof:
        feed = packed[fed : fed + _FEED_BYTES] if decompressor.needs_input else packed[:0]
        if decompressor.needs_input and not feed:
            raise FileError("file.damaged", "The file is damaged: it ends in the middle (sent only in part?).")
        fed += len(feed)
        try:
            piece = decompressor.decompress(feed, _PIECE_BYTES)
        except igzip_lib.error as damage:  # type: ignore[misc]  # the stub declares an instance, it is a class
            raise FileError("file.damaged", f"The file is damaged: {_reason(damage)}.") from None
        unpacked.take(piece, fed)
    return fed - len(decompressor.unused_data)


def _reason(damage: Exception) -> str:
    return "its checksum is wrong (CRC)" if "checksum" in str(damage) else "its packed bytes make no sense"


def _unzstd_frame(context: zstandard.ZstdDecompressor, packed: memoryview, start: int, unpacked: _Unpacked) -> int:
    """Unpack one frame, a few blocks at a time, as a block says its packed size only; returns where it ends."""
    decompressor = context.decompressobj()
    fed = start
    try:
        for end in _block_ends(packed, start):
            unpacked.take(decompressor.decompress(packed[fed:end]), end)
            fed = end
    except zstandard.ZstdError:
        raise FileError("file.damaged", "The file is damaged: it is not what Zstandard makes.") from None
    if not decompressor.eof:
        raise FileError("file.damaged", "The file is damaged: it ends in the middle (sent only in part?).")
    return fed


def _block_ends(packed: memoryview, start: int) -> Iterator[int]:
    """Offsets at which to cut a frame: after every few blocks, and after the last (with its checksum)."""
    head = bytes(packed[start : start + 18])
    checksum_bytes = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
    at = start + zstandard.frame_header_size(head)
    for number in range(1, PIECES_MAX + 1):
        block = int.from_bytes(packed[at : at + 3], "little")
        is_last, kind, size = block & 1, block >> 1 & 3, block >> 3
        at += 3 + (1 if kind == 1 else size)
        if is_last or at >= len(packed):
            yield min(at + checksum_bytes, len(packed))
            return
        if number % _BLOCKS_AT_ONCE == 0:
            yield at
    raise _too_many_pieces()


def _too_many_pieces() -> FileError:
    return FileError(
        "file.pieces", f"This file is packed in more than {grouped(PIECES_MAX)} pieces; pack it again in one go."
    )

"""Open what was sent: a CSV or a Parquet file, alone or as .zip, .gz or .zst, within the race's limits.

The content decides what a file is, never its name. Nothing is written anywhere.
"""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path
from typing import Literal

from srs.errors import FileError
from srs.traces.inflate import GZIP_MAGIC, ZSTD_MAGIC, gunzip, inflate, too_large, unzstd
from srs.traces.report import quoted
from srs.traces.zip_member import holds_end_record, sole_member

PARQUET_MAGIC = b"PAR1"
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_CAPTURE = "a packet capture"
_FOREIGN = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\xfd7zXZ\x00": "an xz file",
    b"BZh": "a bzip2 file",
    b"Rar!\x1a\x07": "a rar archive",
    b"\xd4\xc3\xb2\xa1": _CAPTURE,
    b"\xa1\xb2\xc3\xd4": _CAPTURE,
    b"\x4d\x3c\xb2\xa1": _CAPTURE,
    b"\xa1\xb2\x3c\x4d": _CAPTURE,
    b"\x0a\x0d\x0d\x0a": _CAPTURE,
    b"\x93NUMPY": "a NumPy array",
    b"%PDF": "a PDF",
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"SQLite format 3\0": "an SQLite database",
}
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_ENOUGH_TO_TELL = 512


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """The bytes of a table, unpacked; ``name`` is what to call the file when speaking of it.

    A Parquet file is packed in itself: ``unpacked_max_bytes`` is the limit that its values have to keep.
    """

    kind: Literal["csv", "parquet"]
    data: bytes
    name: str
    unpacked_max_bytes: int


def open_table(
    source: Path | bytes | bytearray | memoryview,
    name_hint: str,
    *,
    packed_max_bytes: int,
    unpacked_max_bytes: int,
) -> Opened:
    """Read a file as it was received.

    ``name_hint`` is the sender's name for it. Raises ``FileError`` (``file.*``) where it is empty, larger than one
    of the limits, damaged, or not what is read here.
    """
    view = _view(source, packed_max_bytes)
    kind = _kind(view)
    name = quoted(name_hint)
    if kind == "zip":
        member = sole_member(view)
        name = quoted(member.name)
        packed = view[member.start : member.start + member.packed_bytes]
        data = inflate(packed, member.deflated, member.crc, member.unpacked_bytes, unpacked_max_bytes)
    elif holds_end_record(view):
        raise FileError(
            "file.two-formats", "This file is a zip and something else at once; send the CSV or a zip with it."
        )
    elif kind == "gzip":
        data = gunzip(view, unpacked_max_bytes)
    elif kind == "zstd":
        data = unzstd(view, unpacked_max_bytes)
    else:
        if len(view) > unpacked_max_bytes:
            raise too_large(unpacked_max_bytes)
        data = bytes(view)
    inner = kind if kind in ("csv", "parquet") else _kind(memoryview(data))
    if inner not in ("csv", "parquet"):
        raise FileError("file.nested", f"In this file is {_spoken(inner)} again; pack the CSV once.")
    return Opened("parquet" if inner == "parquet" else "csv", data, name, unpacked_max_bytes)


def _view(source: Path | bytes | bytearray | memoryview, packed_max_bytes: int) -> memoryview:
    """The bytes as received; a file is mapped, so that what is never looked at is never in memory."""
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > packed_max_bytes:
        raise FileError(
            "file.too-large", f"The file has {size / 1e6:.1f} MB; at most {packed_max_bytes / 1e6:g} MB are accepted."
        )
    if size == 0:
        raise FileError("file.empty", "The file is empty (0 bytes).")
    if not isinstance(source, Path):
        return memoryview(source)
    with source.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _kind(view: memoryview) -> str:
    """What the first bytes say: zip, gzip, zstd, parquet, csv. Raises ``FileError`` for other formats."""
    head = bytes(view[:_ENOUGH_TO_TELL])
    for magic, kind in ((GZIP_MAGIC, "gzip"), (ZSTD_MAGIC, "zstd"), (PARQUET_MAGIC, "parquet")):
        if head.startswith(magic):
            return kind
    if head.startswith(_ZIP_MAGICS):
        return "zip"
    tar = head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)
    foreign = "a tar archive" if tar else next((_FOREIGN[m] for m in _FOREIGN if head.startswith(m)), None)
    if foreign:
        raise FileError(
            "file.format",
            f"This is {foreign}, not a table; a CSV (alone or as .zip, .gz, .zst) or a Parquet file is expected.",
            hint="Of captures, one for each trace, srs convert makes a defence." if foreign is _CAPTURE else "",
        )
    return "csv"


def _spoken(kind: str) -> str:
    return {"zip": "a zip", "gzip": "a gzip file", "zstd": "a Zstandard file"}[kind]

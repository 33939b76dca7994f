"""Zips written byte by byte, so that each of their fields can be a lie."""

from __future__ import annotations

import dataclasses
import io
import stat
import struct
import warnings
import zipfile
import zlib

from worlds.traffic import defence_csv

CSV = defence_csv()
NAME = b"defence.csv"


def deflated(content: bytes) -> bytes:
    """A raw deflate stream, as a zip holds it."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


@dataclasses.dataclass
class Part:
    """One file of a zip, each of its fields as the local header and as the directory tell it."""

    content: bytes = CSV
    name: bytes = NAME
    local_name: bytes | None = None
    method: int = 8
    local_method: int | None = None
    flags: int = 0
    crc: int | None = None
    unpacked: int | None = None
    local_unpacked: int | None = None
    packed: bytes | None = None
    packed_bytes: int | None = None
    attributes: int = (stat.S_IFREG | 0o644) << 16
    descriptor: bytes = b""
    offset: int | None = None
    local_extra: bytes = b""
    extra: bytes = b""

    def bytes_and_entry(self, offset: int) -> tuple[bytes, bytes]:
        """Local header, data and descriptor; and the entry of the directory."""
        packed = deflated(self.content) if self.packed is None else self.packed
        crc = zlib.crc32(self.content) if self.crc is None else self.crc
        length = len(packed) if self.packed_bytes is None else self.packed_bytes
        unpacked = len(self.content) if self.unpacked is None else self.unpacked
        name = self.name if self.local_name is None else self.local_name
        method = self.method if self.local_method is None else self.local_method
        there = unpacked if self.local_unpacked is None else self.local_unpacked
        left_open = bool(self.flags & 8)
        told = (0, 0, 0) if left_open else (crc, length, there)
        local = struct.pack(
            "<4s5H3I2H", b"PK\3\4", 20, self.flags, method, 0, 33, *told, len(name), len(self.local_extra)
        )
        entry = struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 3 << 8 | 20, 20, self.flags, self.method, 0, 33, crc, length, unpacked,
            len(self.name), len(self.extra), 0, 0, 0, self.attributes, offset if self.offset is None else self.offset,
        )  # fmt: skip
        return local + name + self.local_extra + packed + self.descriptor, entry + self.name + self.extra


def made_zip(
    *parts: Part, entries: int | None = None, before: bytes = b"", gap: bytes = b"", comment: bytes = b""
) -> bytes:
    body, directory = before, b""
    for part in parts:
        data, entry = part.bytes_and_entry(len(body))
        body, directory = body + data, directory + entry
    count = len(parts) if entries is None else entries
    start = len(body) + len(gap)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), start, len(comment))
    return body + gap + directory + end + comment


def zip64(part: Part, *, entries: int = 1, shift: int = 0) -> bytes:
    """A zip whose end is told by ZIP64 records; ``shift`` moves where they say that the directory begins."""
    return ended64(*part.bytes_and_entry(0), entries=entries, shift=shift)


def ended64(body: bytes, directory: bytes, *, entries: int, shift: int = 0) -> bytes:
    """Both halves of a zip, and the three records that end it."""
    begin = len(body) + len(directory)
    wide = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, len(directory), len(body) + shift)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, begin, 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return body + directory + wide + locator + end


def ordinary_zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore", UserWarning)  # a name twice is what we want
        for name in names:
            archive.writestr(name, CSV)
    return buffer.getvalue()


def descriptor(content: bytes = CSV, layout: str = "<4s3I", lie: int = 0) -> bytes:
    """What a streaming writer puts after the data; ``lie`` is added to the size."""
    values = (zlib.crc32(content), len(deflated(content)), len(content) + lie)
    return struct.pack(layout, b"PK\7\10", *values) if layout.startswith("<4s") else struct.pack(layout, *values)

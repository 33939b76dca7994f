"""The one file in a zip, found so that no two programs can disagree about it.

Zip readers differ: some trust the central directory at the end, some the local headers before the data, some
take what is stuffed between them. A zip is read here only if everything in it is accounted for, without a gap or
an overlap: local header, data, optional data descriptor, one directory entry, end records. Layout: PKWARE's
APPNOTE 6.3.10, sections 4.3 and 4.5.
"""

from __future__ import annotations

import dataclasses
import itertools
import stat
import struct
from collections.abc import Iterator
from typing import NoReturn

from srs.errors import FileError
from srs.traces.report import grouped, quoted

LOCAL, ENTRY, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64, DESCRIPTOR = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"
STORED, DEFLATED, AES = 0, 8, 99

_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED_FLAGS = 1 | 1 << 6 | 1 << 13
_DESCRIPTOR_FLAG, _UTF8_FLAG = 1 << 3, 1 << 11
_COMMENT_MAX = 0xFFFF
_MADE_ON_UNIX = (3, 19)
# Many programs write permissions without a kind, and Info-ZIP calls what it was piped a pipe.
_KINDS = (0, stat.S_IFREG, stat.S_IFIFO)
_NAMES_SHOWN = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """Where the packed bytes lie, and what the headers claim about them."""

    name: str
    start: int
    packed_bytes: int
    unpacked_bytes: int
    crc: int
    deflated: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Header:
    """What a local header and a directory entry both say."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    unpacked_bytes: int


def sole_member(archive: memoryview) -> Member:
    """Find the member of a zip that holds exactly one file.

    Raises ``FileError`` (``file.*``) where it holds another number of files, where a part is damaged, or where the
    parts contradict each other.
    """
    entries, directory, directory_end = _directory(archive)
    if entries != 1:
        _refuse_members(archive, entries, directory)
    header, local_offset, mode = _entry(archive, directory, directory_end)
    name = _checked_name(header)
    if stat.S_IFMT(mode) not in _KINDS:
        raise FileError("file.member-kind", f"{quoted(name)} in this zip is a link or another special file, not a CSV.")
    if header.flags & _ENCRYPTED_FLAGS or header.method == AES:
        raise FileError("file.encrypted", "This zip is encrypted; zip the CSV again without a password.")
    if header.method not in (STORED, DEFLATED):
        raise FileError(
            "file.zip-method",
            f"This zip is packed with method {header.method}; only deflate and stored are read. "
            "Zip the CSV again with an ordinary program.",
        )
    if local_offset != 0:
        _contradiction("its file does not begin where the zip begins")
    start = _same_local_header(archive, header, directory)
    return Member(
        name=name,
        start=start,
        packed_bytes=header.packed_bytes,
        unpacked_bytes=header.unpacked_bytes,
        crc=header.crc,
        deflated=header.method == DEFLATED,
    )


def holds_end_record(data: memoryview) -> bool:
    """Whether a zip reader that searches from the end would take these bytes for a zip."""
    return END in bytes(data[-_COMMENT_MAX - _END.size :])


def _contradiction(what: str) -> NoReturn:
    raise FileError(
        "file.zip-structure",
        f"The parts of this zip contradict each other: {what}. Zip the CSV again with an ordinary program.",
    )


def _unpack(layout: struct.Struct, archive: memoryview, offset: int, what: str) -> tuple[int, ...]:
    """The numbers of a record, without its signature (which the caller has seen or checks by ``what``)."""
    if not 0 <= offset <= len(archive) - layout.size:
        raise FileError("file.damaged", f"The zip is damaged: {what} is cut off.")
    return layout.unpack_from(archive, offset)[1:]


def _directory(archive: memoryview) -> tuple[int, int, int]:
    """Number of entries, where the directory begins, where it ends."""
    end = len(archive) - _END.size
    if end < 0 or bytes(archive[end : end + 4]) != END:
        if holds_end_record(archive):
            _contradiction("bytes or a comment follow its end")
        raise FileError("file.damaged", "The zip is damaged: its directory at the end is missing (sent only in part?).")
    disk, start_disk, entries_here, entries, size, offset, comment = _unpack(_END, archive, end, "its end")
    if disk or start_disk or entries_here != entries or comment:
        _contradiction("its end record names other volumes or a comment")
    locator = end - _LOCATOR64.size
    if locator >= 0 and bytes(archive[locator : locator + 4]) == LOCATOR64:
        wide, end = _directory64(archive, locator)
        for narrow, value, full in zip((entries, size, offset), wide, (_FULL16, _FULL32, _FULL32), strict=True):
            if narrow not in (value, full):
                _contradiction("its two end records differ")
        entries, size, offset = wide
    if offset + size != end:
        _contradiction("its directory does not end where the end record begins")
    return entries, offset, end


def _directory64(archive: memoryview, locator: int) -> tuple[tuple[int, int, int], int]:
    """Entries, size and offset of the directory, and where the ZIP64 end record begins."""
    disk, offset, disks = _unpack(_LOCATOR64, archive, locator, "its ZIP64 locator")
    begin = locator - _END64.size
    if disk or disks != 1 or offset != begin or bytes(archive[begin : begin + 4]) != END64:
        _contradiction("its ZIP64 locator points elsewhere")
    length, _, _, disk, start_disk, here, entries, size, start = _unpack(_END64, archive, begin, "its ZIP64 end")
    if length != _END64.size - 12 or disk or start_disk or here != entries:
        _contradiction("its ZIP64 end record names other volumes or has an unknown length")
    return (entries, size, start), begin


def _names(archive: memoryview, offset: int) -> Iterator[str]:
    while bytes(archive[offset : offset + 4]) == ENTRY and offset + _ENTRY.size <= len(archive):
        *_, name_length, extra_length, comment_length, _, _, _, _ = _unpack(_ENTRY, archive, offset, "an entry")
        offset += _ENTRY.size
        yield quoted(bytes(archive[offset : offset + name_length]))
        offset += name_length + extra_length + comment_length


def _refuse_members(archive: memoryview, entries: int, directory: int) -> NoReturn:
    names = list(itertools.islice(_names(archive, directory), _NAMES_SHOWN))
    found = ", ".join(names) or "nothing"
    if entries > len(names):
        found += f" and {grouped(entries - len(names))} more"
    raise FileError(
        "file.members",
        f"This is not a zip with one CSV in it (found: {found}).",
        hint=_members_hint(names, entries),
    )


def _members_hint(names: list[str], entries: int) -> str:
    if any(name.startswith("__MACOSX") for name in names):
        return "The Mac's Finder added __MACOSX; zip in a terminal with: zip -X defence.zip defence.csv"
    return f"It holds {grouped(entries)} files; zip the CSV alone, without its folder."


def _entry(archive: memoryview, offset: int, end: int) -> tuple[_Header, int, int]:
    """The directory's only entry: its header, the offset of its local header, its Unix mode (0: unknown)."""
    fields = _unpack(_ENTRY, archive, offset, "its directory")
    made_by, _, flags, method, _, _, crc, packed, unpacked, n, m, k, disk, _, attributes, local = fields
    begin = offset + _ENTRY.size
    if bytes(archive[offset : offset + 4]) != ENTRY or begin + n + m + k != end or disk not in (0, _FULL16):
        _contradiction("its directory holds more or less than the one entry it counts")
    extra = bytes(archive[begin + n : begin + n + m])
    unpacked, packed, local = _widened(extra, unpacked, packed, local)
    mode = attributes >> 16 if made_by >> 8 in _MADE_ON_UNIX else 0
    return _Header(bytes(archive[begin : begin + n]), flags, method, crc, packed, unpacked), local, mode


def _widened(extra: bytes, *values: int) -> list[int]:
    """Replace each value that says "see ZIP64" by the next one of the ZIP64 extra field."""
    wide: bytes = b""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            wide = extra[4 : 4 + length]
            break
        extra = extra[4 + length :]
    result = []
    for value in values:
        if value == _FULL32 and len(wide) >= 8:
            result.append(int.from_bytes(wide[:8], "little"))
            wide = wide[8:]
        else:
            result.append(value)
    return result


def _checked_name(header: _Header) -> str:
    """The member's name. It is only ever shown, yet one that could escape a folder is no honest one."""
    shown = quoted(header.name)
    try:
        name = header.name.decode("utf-8")
    except UnicodeDecodeError:
        raise FileError(
            "file.member-name", f"The name {shown} in this zip is not UTF-8; rename the CSV and zip it again."
        ) from None
    parts = name.replace("\\", "/").split("/")
    if not name or parts[0] == "" or parts[-1] == "" or ".." in parts or ":" in parts[0] or not name.isprintable():
        raise FileError(
            "file.member-name",
            f"{shown!r} is no name for a CSV in a zip: expected a plain relative file name.",
        )
    return name


def _same_local_header(archive: memoryview, entry: _Header, directory: int) -> int:
    """Check that the local header says what the directory says; returns where the data begin."""
    fields = _unpack(_LOCAL, archive, 0, "its first header")
    _, flags, method, _, _, crc, packed, unpacked, n, m = fields
    start = _LOCAL.size + n + m
    name = bytes(archive[_LOCAL.size : _LOCAL.size + n])
    unpacked, packed = _widened(bytes(archive[_LOCAL.size + n : start]), unpacked, packed)
    if (name, flags, method) != (entry.name, entry.flags, entry.method):
        _contradiction("the directory and the file's own header differ in name, flags or method")
    expected = (entry.crc, entry.packed_bytes, entry.unpacked_bytes)
    streamed = bool(flags & _DESCRIPTOR_FLAG)
    if (crc, packed, unpacked) != expected and not (streamed and _is_left_open(crc, packed, unpacked)):
        _contradiction("the directory and the file's own header differ in size or checksum")
    tail = bytes(archive[start + entry.packed_bytes : directory]) if start <= directory else b"?"
    if start + entry.packed_bytes > directory or tail not in (_descriptors(expected) if streamed else {b""}):
        _contradiction("its packed bytes do not fill the space between header and directory")
    return start


def _is_left_open(crc: int, packed: int, unpacked: int) -> bool:
    """Whether a streaming writer left these fields to the data descriptor."""
    return crc == 0 and packed in (0, _FULL32) and unpacked in (0, _FULL32)


def _descriptors(expected: tuple[int, int, int]) -> set[bytes]:
    """Every form of data descriptor that says the expected CRC and sizes."""
    crc, packed, unpacked = expected
    plain = [struct.pack("<I2Q", crc, packed, unpacked)]
    if max(packed, unpacked) <= _FULL32:
        plain.append(struct.pack("<3I", crc, packed, unpacked))
    return {signature + form for signature in (b"", DESCRIPTOR) for form in plain}

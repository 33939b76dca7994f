"""The blocks of a pcapng file: which frames it holds, and when they were captured.

Layout: draft-ietf-opsawg-pcapng, sections 3 and 4. A file has sections, each in its own byte order and with its own
interfaces, each with its own link type and clock. Blocks that hold no frames are passed over.
"""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import numpy.typing as npt

from srs.errors import FileError
from srs.traces.pcap_packets import ALIKE, PACKETS_MAX, Frames, heads_of, repeated, structures
from srs.traces.report import grouped
from srs.traces.trace_set import Int64s

MAGIC = b"\x0a\x0d\x0d\x0a"
SECTIONS_MAX, INTERFACES_MAX, OPTIONS_MAX = 1000, 1000, 100
# Blocks that are no enhanced packets; of these every program writes few.
BLOCKS_MAX = 1_000_000

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_LEAST_BYTES = {_SECTION: 28, _INTERFACE: 20, _OLD_PACKET: 32, _SIMPLE_PACKET: 16, _PACKET: 32}
_HEAD_BYTES, _BLOCK_BYTES, _FRAME_AT = 8, 12, 28
# The byte-order magic and the major version, 1, in the byte order that the magic tells.
_ORDERS = {b"\x4d\x3c\x2b\x1a\x01\x00": "<", b"\x1a\x2b\x3c\x4d\x00\x01": ">"}
_END_OF_OPTIONS, _RESOLUTION, _OFFSET = 0, 9, 14
_NS_PER_S = 1_000_000_000
# Until 2242 the nanoseconds since 1970 fit in 63 bits.
_TIME_MAX_S = 1 << 33


@dataclasses.dataclass(frozen=True, slots=True)
class _Interface:
    """What the packets of an interface mean; by default its clock counts microseconds since 1970."""

    link_type: int
    ticks_per_s: int = 1_000_000
    offset_s: int = 0


@dataclasses.dataclass(slots=True)
class _Section:
    """A part of the file: its byte order, its interfaces, the offsets of its packets, the number without a time."""

    order: str
    interfaces: list[_Interface] = dataclasses.field(default_factory=list)
    packets: list[int] = dataclasses.field(default_factory=list)
    timeless: int = 0


def read_blocks(data: bytes) -> Frames:
    """The frames of a file that begins with ``MAGIC``.

    Raises ``FileError`` (``capture.*``) where the first section is not whole or not of version 1, where a clock makes
    no sense, and where the file has more parts than any capture has.
    """
    sections, end = _walk(data)
    if not sections:
        raise FileError("capture.damaged", "The first section of this pcapng file is cut off or not of version 1.")
    parts = []
    for section in sections:
        part, damaged_at = _frames(data, section)
        parts.append(part)
        if damaged_at is not None:
            end = damaged_at
            break
    arrays = ("heads", "captured_bytes", "wire_bytes", "time_ns", "link_type")
    return Frames(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays},
        timeless=sum(part.timeless for part in parts),
        unread_bytes=len(data) - end,
    )


def _walk(data: bytes) -> tuple[list[_Section], int]:
    """The sections, and where the last whole block ends."""
    sections: list[_Section] = []
    at = 0
    head = struct.Struct("<2I")
    for _ in range(BLOCKS_MAX):
        at = _pass_packets(data, at, head, sections[-1].packets) if sections else at
        if len(data) - at < _BLOCK_BYTES:
            return sections, at
        begun = _begun(data, at)
        head = struct.Struct(begun.order + "2I") if begun else head
        kind, length = head.unpack_from(data, at)
        if (kind == _SECTION and not begun) or not _fits(kind, length, len(data) - at):
            return sections, at
        if begun:
            sections.append(begun)
            _limit(len(sections), SECTIONS_MAX, "sections")
        else:
            _note(sections[-1], kind, at, data[at : at + length])
        at += length
    raise _too_many(BLOCKS_MAX, "blocks")


def _pass_packets(data: bytes, at: int, head: struct.Struct, packets: list[int]) -> int:
    """Note the offsets of the packet blocks from here on; returns where the first block of another kind begins."""
    unpack, size = head.unpack_from, len(data)
    least, last = _LEAST_BYTES[_PACKET], size - _LEAST_BYTES[_PACKET]
    before = alike = 0
    while at <= last:
        kind, length = unpack(data, at)
        if kind != _PACKET or length < least or length > size - at or length & 3:
            break
        alike = alike + 1 if length == before else 0
        before = length
        if alike < ALIKE:
            packets.append(at)
            at += length
        else:
            count = repeated(data, at, length, head.size, (size - at) // length)
            packets.extend(range(at, at + count * length, length))
            at += count * length
            _limit(len(packets), PACKETS_MAX, "packets")
    _limit(len(packets), PACKETS_MAX, "packets")
    return at


def _begun(data: bytes, at: int) -> _Section | None:
    """The section that begins here, if one does."""
    order = _ORDERS.get(data[at + 8 : at + 14]) if data.startswith(MAGIC, at) else None
    return _Section(order) if order else None


def _fits(kind: int, length: int, rest_bytes: int) -> bool:
    return _LEAST_BYTES.get(kind, _BLOCK_BYTES) <= length <= rest_bytes and length % 4 == 0


def _limit(found: int, most: int, what: str) -> None:
    if found > most:
        raise _too_many(most, what)


def _too_many(most: int, what: str) -> FileError:
    return FileError("capture.parts", f"The capture has more than {grouped(most)} {what}.")


def _note(section: _Section, kind: int, at: int, block: bytes) -> None:
    """Take from a block what concerns the packets."""
    if kind == _OLD_PACKET:
        section.packets.append(at)
    elif kind == _SIMPLE_PACKET:
        section.timeless += 1
    elif kind == _INTERFACE:
        section.interfaces.append(_interface(block, section.order))
        _limit(len(section.interfaces), INTERFACES_MAX, "interfaces")


def _interface(block: bytes, order: str) -> _Interface:
    (link_type,) = struct.unpack_from(order + "H", block, 8)
    found = _Interface(link_type)
    at, end = 16, len(block) - 4
    for _ in range(OPTIONS_MAX):
        if end - at < 4:
            return found
        code, length = struct.unpack_from(order + "2H", block, at)
        value = block[at + 4 : min(at + 4 + length, end)]
        if code == _END_OF_OPTIONS or len(value) < length:
            return found
        if code == _RESOLUTION and length == 1:
            found = dataclasses.replace(found, ticks_per_s=_ticks_per_s(value[0]))
        elif code == _OFFSET and length == 8:
            found = dataclasses.replace(found, offset_s=struct.unpack(order + "q", value)[0])
        at += 4 + (length + 3) // 4 * 4
    raise _too_many(OPTIONS_MAX, "options for an interface")


def _ticks_per_s(resolution: int) -> int:
    """The option if_tsresol: a negative power of 10, or with the highest bit set of 2."""
    ticks = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    if ticks >= 1 << 64:
        raise FileError("capture.clock", "A clock of the capture is finer than 64 bits can count in a second.")
    return int(ticks)


def _frames(data: bytes, section: _Section) -> tuple[Frames, int | None]:
    """The frames of a section before its first damaged block, and where that begins (None: none is damaged)."""
    at, order = np.array(section.packets, dtype=np.int64), section.order
    head = structures(data, at, _packet_layout(order))
    length = head["length"].astype(np.int64)
    interface = np.where(head["kind"] == _OLD_PACKET, head["old_interface"], head["interface"])
    length_again = structures(data, at + length - 4, np.dtype(order + "u4"))
    whole = (length_again == head["length"]) & (head["captured"] <= length - _LEAST_BYTES[_PACKET])
    whole &= interface < len(section.interfaces)
    damaged_at = None
    if not whole.all():
        first = int(whole.argmin())
        damaged_at = section.packets[first]
        at, head, interface = at[:first], head[:first], interface[:first]
    frames = Frames(
        heads=heads_of(data, at + _FRAME_AT),
        captured_bytes=head["captured"].astype(np.int64),
        wire_bytes=head["wire"].astype(np.int64),
        time_ns=_time_ns(head["high"].astype(np.uint64) << 32 | head["low"], section.interfaces, interface),
        link_type=np.array([each.link_type for each in section.interfaces], dtype=np.int64)[interface],
        timeless=section.timeless,
    )
    return frames, damaged_at


def _packet_layout(order: str) -> np.dtype[np.void]:
    """What stands at the head of a packet block, of the present kind and of the obsolete one."""
    four, two = order + "u4", order + "u2"
    return np.dtype(
        {
            "names": ["kind", "length", "interface", "old_interface", "high", "low", "captured", "wire"],
            "formats": [four, four, four, two, four, four, four, four],
            "offsets": [0, 4, 8, 8, 12, 16, 20, 24],
        }
    )


def _time_ns(ticks: npt.NDArray[np.uint64], interfaces: list[_Interface], interface: Int64s) -> Int64s:
    """Nanoseconds since 1970 of packets at so many ticks of the clocks of their interfaces."""
    per_s = np.array([each.ticks_per_s for each in interfaces], dtype=np.uint64)[interface]
    offset_s = np.array([each.offset_s for each in interfaces], dtype=np.int64)[interface]
    seconds, rest = np.divmod(ticks, per_s)
    since_1970_s = seconds.astype(np.float64) + offset_s  # good enough to see what is out of range
    if np.any((since_1970_s < 0) | (since_1970_s >= _TIME_MAX_S) | (seconds >= _TIME_MAX_S)):
        raise FileError("capture.clock", "A packet of the capture has a time before 1970 or after 2242.")
    rest_ns = np.rint(rest / per_s * _NS_PER_S).astype(np.int64)
    return (seconds.astype(np.int64) + offset_s) * _NS_PER_S + rest_ns

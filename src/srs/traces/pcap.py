"""A capture file, pcap or pcapng, becomes the IP packets in it.

The content decides which of the two a file is. Layout of pcap: draft-ietf-opsawg-pcap, sections 4 and 5. A
capture that was cut off or damaged on the way keeps its whole packets; what was left out is counted.
"""

from __future__ import annotations

import struct

import numpy as np

from srs.errors import FileError
from srs.traces.pcap_packets import ALIKE, PACKETS_MAX, Capture, Frames, decode, heads_of, repeated, structures
from srs.traces.pcapng import MAGIC as NG_MAGIC
from srs.traces.pcapng import read_blocks
from srs.traces.report import grouped, quoted

# A visit to a page is some hundred kilobytes.
CAPTURE_MAX_BYTES = 256 * 1024 * 1024
# As libpcap: no frame that is captured for its IP packet is larger.
FRAME_MAX_BYTES = 262_144

# The byte order of the file and what its fractions of a second are, in nanoseconds.
_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
MAGICS = (*_MAGICS, NG_MAGIC)
_HEADER_BYTES, _RECORD_BYTES, _CAPTURED_AT = 24, 16, 8
# The bits above say how long a frame's check sequence is.
_LINK_BITS = 0x03FFFFFF


def read_capture(data: bytes) -> Capture:
    """Read a capture file. Raises ``FileError`` (``capture.*``) where it is none, or not of a kind that is read."""
    if len(data) > CAPTURE_MAX_BYTES:
        raise FileError("capture.too-large", f"The capture has more than {CAPTURE_MAX_BYTES // 1024**2} MiB.")
    magic = data[:4]
    if magic == NG_MAGIC:
        return decode(read_blocks(data))
    if magic not in _MAGICS:
        raise FileError("capture.format", f"This is no pcap or pcapng file: it begins with {quoted(magic.hex(' '))}.")
    return decode(_read_records(data, *_MAGICS[magic]))


def _read_records(data: bytes, order: str, tick_ns: int) -> Frames:
    if len(data) < _HEADER_BYTES:
        raise FileError("capture.damaged", "The capture is cut off within its header.")
    (link_type,) = struct.unpack_from(order + "I", data, 20)
    offsets, end = _walk(data, struct.Struct(order + "I"))
    at = np.array(offsets, dtype=np.int64)
    record = structures(data, at, np.dtype([(name, order + "u4") for name in ("seconds", "ticks", "captured", "wire")]))
    return Frames(
        heads=heads_of(data, at + _RECORD_BYTES),
        captured_bytes=record["captured"].astype(np.int64),
        wire_bytes=record["wire"].astype(np.int64),
        time_ns=record["seconds"].astype(np.int64) * 1_000_000_000 + record["ticks"].astype(np.int64) * tick_ns,
        link_type=np.array(link_type & _LINK_BITS, dtype=np.int64),
        unread_bytes=len(data) - end,
    )


def _walk(data: bytes, number: struct.Struct) -> tuple[list[int], int]:
    """The offsets of all whole records, and where the last of them ends."""
    unpack, size = number.unpack_from, len(data)
    at, last = _HEADER_BYTES, size - _RECORD_BYTES
    before = alike = 0
    records: list[int] = []
    while at <= last and len(records) <= PACKETS_MAX:
        (captured,) = unpack(data, at + _CAPTURED_AT)
        behind = at + _RECORD_BYTES + captured
        if captured > FRAME_MAX_BYTES or behind > size:
            break
        alike = alike + 1 if captured == before else 0
        before = captured
        if alike < ALIKE:
            records.append(at)
            at = behind
        else:
            step = behind - at
            count = repeated(data, at + _CAPTURED_AT, step, number.size, (size - at) // step)
            records.extend(range(at, at + count * step, step))
            at += count * step
    if len(records) > PACKETS_MAX:
        raise FileError("capture.parts", f"The capture has more than {grouped(PACKETS_MAX)} packets.")
    return records, at

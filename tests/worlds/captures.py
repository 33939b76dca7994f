"""Capture files for tests, made byte by byte from what they shall hold."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

CLIENT, GUARD = "192.168.80.2", "185.220.101.7"
CLIENT6, GUARD6 = "fd00::2", "2001:db8::7"
ETHERNET, RAW, COOKED, COOKED2, LOOPBACK, LOOPBACK_BIG = 1, 101, 113, 276, 0, 108
ACK, PUSH_ACK, SYN, FIN_ACK = 0x10, 0x18, 0x02, 0x11


class Frame(NamedTuple):
    """A frame in a capture: when (microseconds since 1970), its bytes, and how many of them the file keeps."""

    time_us: int
    data: bytes
    kept_bytes: int | None = None

    @property
    def captured(self) -> bytes:
        return self.data if self.kept_bytes is None else self.data[: self.kept_bytes]


def tcp(payload_bytes: int, flags: int = PUSH_ACK, options_bytes: int = 12) -> bytes:
    """A TCP segment."""
    words = (20 + options_bytes) // 4
    return struct.pack(">HHIIBBHHH", 9001, 443, 1, 1, words << 4, flags, 512, 0, 0) + bytes(
        options_bytes + payload_bytes
    )


def ip(source: str, destination: str, payload: bytes, protocol: int = 6, *, options_bytes: int = 0, fragment: int = 0,
       said_bytes: int | None = None) -> bytes:  # fmt: skip
    """An IP packet, of the addresses' version. ``said_bytes`` is the length that its header names."""
    ends = [ipaddress.ip_address(end) for end in (source, destination)]
    addresses = b"".join(end.packed for end in ends)
    if ends[0].version == 6:
        said = len(payload) if said_bytes is None else said_bytes
        return struct.pack(">IHBB", 6 << 28, said, protocol, 64) + addresses + payload
    words = 5 + options_bytes // 4
    said = 4 * words + len(payload) if said_bytes is None else said_bytes
    head = struct.pack(">BBHHHBBH", 4 << 4 | words, 0, said, 0, fragment, 64, protocol, 0)
    return head + addresses + bytes(options_bytes) + payload


def ethernet(packet: bytes, protocol: int | None = None, tags: Sequence[int] = ()) -> bytes:
    """An Ethernet frame; ``tags`` are the protocol numbers of VLAN tags, from the outside in."""
    return bytes(12) + b"".join(struct.pack(">HH", tag, 5) for tag in tags) + _protocol(packet, protocol) + packet


def cooked(packet: bytes, protocol: int | None = None) -> bytes:
    """A frame of a Linux cooked capture."""
    return bytes(14) + _protocol(packet, protocol) + packet


def cooked2(packet: bytes, protocol: int | None = None) -> bytes:
    """A frame of a Linux cooked capture, version 2."""
    return _protocol(packet, protocol) + bytes(18) + packet


def _protocol(packet: bytes, protocol: int | None) -> bytes:
    return struct.pack(">H", protocol or (0x86DD if packet[0] >> 4 == 6 else 0x0800))


def visit(
    packets: int = 8, client: str = CLIENT, guard: str = GUARD, start_us: int = 1_650_000_000_000_000
) -> list[Frame]:
    """A visit as Ethernet frames: every third packet is sent; sizes differ; 10 ms from one to the next."""
    frames = []
    for number in range(packets):
        ends = (client, guard) if number % 3 == 0 else (guard, client)
        frames.append(Frame(start_us + 10_000 * number, ethernet(ip(*ends, tcp(100 + 7 * number)))))
    return frames


def pcap(frames: Iterable[Frame], order: str = "<", tick_ns: int = 1000, link_type: int = ETHERNET) -> bytes:
    """A classic capture file; with ``tick_ns`` 1 its times are in nanoseconds."""
    magic = {1000: 0xA1B2C3D4, 1: 0xA1B23C4D}[tick_ns]
    records = []
    for frame in frames:
        seconds, rest_us = divmod(frame.time_us, 1_000_000)
        sizes = (len(frame.captured), len(frame.data))
        records.append(struct.pack(order + "4I", seconds, rest_us * 1000 // tick_ns, *sizes) + frame.captured)
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type) + b"".join(records)


def block(order: str, kind: int, body: bytes) -> bytes:
    """A block of a pcapng file."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", version: int = 1) -> bytes:
    """The block that begins a section."""
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, version, 0, -1))


def option(order: str, code: int, value: bytes) -> bytes:
    """An option of a block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(order: str = "<", link_type: int = ETHERNET, options: bytes = b"") -> bytes:
    """The block that describes an interface."""
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, 65535) + options)


def packet(frame: Frame, order: str = "<", ticks: int | None = None, number: int = 0, *, old: bool = False) -> bytes:
    """An enhanced packet block, or an obsolete one; by default its ticks are microseconds."""
    high, low = divmod(frame.time_us if ticks is None else ticks, 1 << 32)
    head = struct.pack(order + "HH", number, 0) if old else struct.pack(order + "I", number)
    rest = struct.pack(order + "4I", high, low, len(frame.captured), len(frame.data))
    return block(order, 2 if old else 6, head + rest + frame.captured)


def simple_packet(frame: Frame, order: str = "<") -> bytes:
    """A simple packet block, which has no time."""
    return block(order, 3, struct.pack(order + "I", len(frame.data)) + frame.captured)


def pcapng(frames: Iterable[Frame], order: str = "<") -> bytes:
    """A file of one section with one interface."""
    return section(order) + interface(order) + b"".join(packet(frame, order) for frame in frames)

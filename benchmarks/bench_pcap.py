"""Captures to signed sizes and times: ours against dpkt's, in one run on one machine, with equal results.

Three kinds of files: the 200 real captures as they are (cut to 64 bytes a frame; made-up visits where they are absent),
all their packets in one file, and the same with whole frames of many lengths, as pcap and as pcapng.
"""

from __future__ import annotations

import io
import ipaddress
import statistics
import struct
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dpkt
import numpy as np

from srs.traces.pcap import read_capture
from srs.traces.pcap_client import as_seen_by, find_clients
from srs.traces.pcap_packets import Address

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "secretstroll_pcaps.tar.xz"
ROUNDS = 5
FASTER_AT_LEAST = 15.0
# Whole frames lie far apart: half of our time is waiting for memory, which dpkt does as well, and hardly notices.
WHOLE_FRAMES_FASTER_AT_LEAST = 10.0
RECORD = struct.Struct("<4I")
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, dpkt.pcap.DLT_EN10MB)
SECTION = struct.pack("<4IqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, -1, 28) + struct.pack("<2I2HII", 1, 20, 1, 0, 65_535, 20)

Trace = tuple[np.ndarray, np.ndarray]
Records = list[tuple[int, int, bytes, int]]


def real_captures() -> list[bytes]:
    """The files, as they are."""
    with tarfile.open(REAL) as archive:
        return [archive.extractfile(member).read() for member in archive if member.isfile()]


def made_up_captures(rng: np.random.Generator) -> list[bytes]:
    """200 visits of some 400 packets of the commonest sizes, cut to 64 bytes a frame."""
    captures = []
    for _ in range(200):
        sizes = rng.choice([-1500, 576, -1476, -1488, -576], 397, p=[0.55, 0.11, 0.12, 0.12, 0.1]).tolist()
        records = [frame(size, 30_000 * number) for number, size in enumerate(sizes)]
        captures.append(as_pcap([(s, us, data[:64], wire) for s, us, data, wire in records]))
    return captures


def frame(size: int, time_us: int) -> tuple[int, int, bytes, int]:
    """A record with an Ethernet frame of a TCP segment, sent by 192.168.80.2 if the size is positive."""
    ends = [bytes([192, 168, 80, 2]), bytes([185, 220, 101, 7])][:: 1 if size > 0 else -1]
    head = struct.pack(">BBHHHBBH", 0x45, 0, abs(size), 0, 0, 64, 6, 0) + b"".join(ends)
    segment = struct.pack(">HHIIBBHHH", 9001, 443, 1, 1, 5 << 4, 24, 512, 0, 0)
    data = bytes(12) + b"\x08\x00" + head + segment + bytes(abs(size) - 40)
    return 1_650_000_000 + time_us // 1_000_000, time_us % 1_000_000, data, len(data)


def records_of(capture: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    at = len(HEADER)
    while at < len(capture):
        seconds, micros, captured, wire = RECORD.unpack_from(capture, at)
        at += RECORD.size + captured
        yield seconds, micros, capture[at - captured : at], wire


def as_pcap(records: Records) -> bytes:
    return HEADER + b"".join(RECORD.pack(s, us, len(data), wire) + data for s, us, data, wire in records)


def as_pcapng(records: Records) -> bytes:
    blocks = []
    for seconds, micros, data, wire in records:
        high, low = divmod(seconds * 1_000_000 + micros, 1 << 32)
        body = data + bytes(-len(data) % 4)
        head = struct.pack("<7I", 6, 32 + len(body), 0, high, low, len(data), wire)
        blocks.append(head + body + head[4:8])
    return SECTION + b"".join(blocks)


def ours(captures: list[bytes], clients: list[Address]) -> list[Trace]:
    traces = [as_seen_by(clients, read_capture(capture)) for capture in captures]
    return [(trace.size, trace.time_us) for trace in traces]


def with_dpkt(captures: list[bytes], clients: list[Address]) -> list[Trace]:
    ends = {client.packed for client in clients}
    traces = []
    for capture in captures:
        is_ng = capture[:4] == b"\x0a\x0d\x0d\x0a"
        sizes, times = [], []
        for at_s, data in (dpkt.pcapng.Reader if is_ng else dpkt.pcap.Reader)(io.BytesIO(capture)):
            packet = dpkt.ethernet.Ethernet(data).data
            if isinstance(packet, dpkt.ip.IP):
                sizes.append(packet.len if packet.src in ends else -packet.len)
                times.append(at_s)
        since_first = np.array(times) - times[0]
        traces.append((np.array(sizes), np.rint(since_first.astype(float) * 1e6).astype(np.int64)))
    return traces


def seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def compared(captures: list[bytes], clients: list[Address]) -> tuple[bool, float, float, int]:
    """Whether both give the same, the seconds of each (median of rounds, taken in turn), and the packets."""
    one, other = ours(captures, clients), with_dpkt(captures, clients)
    equal = all(
        np.array_equal(a, b) for mine, theirs in zip(one, other, strict=True) for a, b in zip(mine, theirs, strict=True)
    )
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for work, taken in zip((ours, with_dpkt), times, strict=True):
            taken.append(seconds(lambda work=work: work(captures, clients)))
    return equal, statistics.median(times[0]), statistics.median(times[1]), sum(len(trace[0]) for trace in one)


def main() -> int:
    rng = np.random.default_rng(200)
    captures = real_captures() if REAL.exists() else made_up_captures(rng)
    clients = sorted(set(find_clients({str(n): read_capture(each) for n, each in enumerate(captures)}).values()))
    joined = [record for capture in captures for record in records_of(capture)]
    sizes = rng.choice([-1500, 576, -1476, -1488, -576, 60, -52], 80_000).tolist()
    whole = [frame(size, 1000 * number) for number, size in enumerate(sizes)]
    kinds: dict[str, tuple[list[bytes], float]] = {
        f"{len(captures)} {'real' if REAL.exists() else 'made-up'} captures, 64 bytes a frame": (
            captures,
            FASTER_AT_LEAST,
        ),
        "all their packets in one file": ([as_pcap(joined)], FASTER_AT_LEAST),
        "all their packets as pcapng": ([as_pcapng(joined)], FASTER_AT_LEAST),
        "whole frames of 7 lengths in one file": ([as_pcap(whole)], WHOLE_FRAMES_FASTER_AT_LEAST),
        "whole frames as pcapng": ([as_pcapng(whole)], WHOLE_FRAMES_FASTER_AT_LEAST),
    }
    failed = False
    whose = [*clients, ipaddress.ip_address("192.168.80.2")]
    for name, (files, least) in kinds.items():
        equal, mine, theirs, packets = compared(files, whose)
        ratio = theirs / mine
        print(f"{name}: {packets} packets, {'equal' if equal else 'DIFFERENT'} results")
        print(f"  dpkt {packets / theirs / 1e6:.2f}, ours {packets / mine / 1e6:.2f} million packets a second")
        print(f"  times faster      {ratio:8.1f}   (at least {least:g})")
        failed |= not equal or ratio < least
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""F5: whatever bytes are said to be a capture, they become packets or a sentence, quickly."""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.sizes import record, size
from srs.errors import SrsError
from srs.traces.pcap import MAGICS, read_capture
from srs.traces.pcap_client import as_seen_by, find_clients
from srs.traces.pcap_packets import Capture
from worlds.captures import (
    ACK,
    CLIENT,
    CLIENT6,
    GUARD,
    GUARD6,
    PUSH_ACK,
    Frame,
    block,
    cooked,
    cooked2,
    ethernet,
    interface,
    ip,
    option,
    packet,
    pcap,
    pcapng,
    section,
    simple_packet,
    tcp,
    visit,
)

CASES = size(150, 20_000)
SECONDS_MAX = 2.0
TRUNCATED_BYTES = size(2000, 10_000)

orders = st.sampled_from("<>")
numbers = st.one_of(
    st.integers(0, 70), st.sampled_from([2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1)
)
link_types = st.sampled_from([0, 1, 1, 1, 12, 101, 105, 108, 113, 228, 229, 276, 65_535])

segments = st.builds(tcp, st.integers(0, 60), st.sampled_from([ACK, PUSH_ACK, 2, 255]), st.sampled_from([0, 12, 40]))
payloads = st.one_of(segments, segments, st.binary(max_size=40))
packets = st.builds(
    lambda ends, payload, protocol, said, fragment: ip(*ends, payload, protocol, said_bytes=said, fragment=fragment),
    st.sampled_from([(CLIENT, GUARD), (GUARD, CLIENT), (CLIENT6, GUARD6), (GUARD6, CLIENT6)]),
    payloads,
    st.sampled_from([6, 6, 6, 17, 0]),
    st.sampled_from([None, None, None, 0, 1, 19, 65_535]),
    st.sampled_from([0, 0, 0x2000, 7]),
)
tags = st.lists(st.sampled_from([0x8100, 0x88A8]), max_size=5)
framed = st.one_of(
    packets.map(ethernet),
    st.builds(lambda data, several: ethernet(data, tags=several), packets, tags),
    packets.map(cooked),
    packets.map(cooked2),
    packets,
    st.binary(max_size=80),
)
frames = st.builds(Frame, st.integers(0, 2**33), framed, st.one_of(st.none(), st.integers(0, 80)))
ticks = st.one_of(st.none(), st.none(), st.integers(0, 2**64 - 1))
captures = st.builds(
    pcap, st.lists(frames, max_size=30), orders, st.sampled_from([1000, 1]), link_types
)  # fmt: skip


@st.composite
def options(draw: st.DrawFn, order: str) -> bytes:
    """Options of an interface, of right and of wrong lengths."""
    values = st.one_of(st.sampled_from([b"\x06", b"\x09", b"\x8a", bytes(8)]), st.binary(max_size=9))
    several = draw(st.lists(st.tuples(st.sampled_from([0, 1, 9, 9, 14]), values), max_size=4))
    return b"".join(option(order, code, value) for code, value in several)


@st.composite
def several_blocks(draw: st.DrawFn) -> bytes:
    """A section with an interface, and up to twenty further blocks of all kinds, mostly in its byte order."""
    order = draw(orders)
    kinds = {
        "section": lambda: section(draw(orders)),
        "interface": lambda: interface(order, draw(link_types), draw(options(order))),
        "packet": lambda: packet(draw(frames), order, draw(ticks), draw(st.integers(0, 2))),
        "old": lambda: packet(draw(frames), order, old=True),
        "simple": lambda: simple_packet(draw(frames), draw(orders)),
        "other": lambda: block(order, draw(numbers), draw(st.binary(max_size=40))),
    }
    several = draw(st.lists(st.sampled_from([*kinds, "packet", "packet", "packet"]), max_size=20))
    return section(order) + interface(order) + b"".join(kinds[kind]() for kind in several)


bare = st.builds(lambda magic, rest: magic + rest, st.sampled_from(MAGICS), st.binary(max_size=200))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good capture, cut and with up to four edits, mostly of a number where one may be."""
    data = bytearray(draw(st.one_of(captures, several_blocks())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 4)))
        piece = struct.pack(draw(orders) + "I", draw(numbers)) if draw(st.booleans()) else draw(st.binary(max_size=4))
        data[at : at + draw(st.sampled_from([len(piece), len(piece), 0, 1, 16]))] = piece
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


def check_capture(capture: Capture) -> None:
    """The promises of ``Capture`` and of what is made of it."""
    count = len(capture.size)
    assert len(capture.time_ns) == len(capture.source) == len(capture.destination) == len(capture.is_ack) == count
    assert min(capture.not_ip, capture.timeless, capture.unread_bytes) >= 0
    assert len(set(capture.addresses)) == len(capture.addresses)
    if count:
        assert 20 <= capture.size.min() <= capture.size.max() <= 65_535
        assert set(np.concatenate((capture.source, capture.destination)).tolist()) == set(range(len(capture.addresses)))
    clients = find_clients({"fuzz": capture}).values()
    trace = as_seen_by(clients, capture)
    assert len(trace.size) == len(trace.time_us) == count - trace.foreign - trace.acks
    assert trace.time_us[:1].tolist() in ([], [0])


def verdict(data: bytes) -> str:
    """``packets``, or the code of the refusal; any other end fails the test."""
    refusal: SrsError | None = None
    begin = time.process_time()  # not the clock, on which other tests may have their turn
    try:
        check_capture(read_capture(data))
    except SrsError as error:
        refusal = error
    assert time.process_time() - begin <= SECONDS_MAX
    if refusal is None:
        return "packets"
    assert re.fullmatch(r"capture\.[a-z-]+", refusal.code)
    assert refusal.sentence.endswith((".", "?"))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202e]", str(refusal))
    return refusal.code


@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize="SRS_FULL" not in os.environ,
)
@example(section() + interface("<", 1, option("<", 9, b"\xc0")))  # a clock of 2^64 ticks is rare
@given(st.one_of(damaged(), captures, several_blocks(), bare, st.binary(max_size=200)))
def check_any_bytes(data: bytes) -> None:
    SEEN.add(verdict(data))


SEEN: set[str] = set()


def test_any_bytes_become_packets_or_a_sentence() -> None:
    """F5: 20 000 cases at full size; each takes 2 s at most."""
    SEEN.clear()
    check_any_bytes()
    assert {"packets", "capture.format", "capture.damaged", "capture.link-type", "capture.clock"} <= SEEN
    record("F5", CASES, note="pcap parser, an exception or 2 s each would be lost")


def check_truncations(make: Callable[[list[Frame]], bytes], heads: list[int]) -> None:
    """Cut a capture after each of its bytes; ``heads`` are the ends of what stands before its packets."""
    visits = visit(60)
    ends = [len(make(visits[: count + 1])) for count in range(len(visits))]
    whole = make(visits)[:TRUNCATED_BYTES]
    assert len(whole) == TRUNCATED_BYTES
    for kept in range(TRUNCATED_BYTES):
        if kept < heads[0]:
            assert verdict(whole[:kept]) in {"capture.format", "capture.damaged"}
            continue
        capture = read_capture(whole[:kept])
        assert len(capture.size) == sum(end <= kept for end in ends)
        assert capture.unread_bytes == kept - max(end for end in heads + ends if end <= kept)


def test_a_pcap_cut_at_every_byte() -> None:
    """F5: the whole packets are there, and what is left over is counted."""
    check_truncations(pcap, [24])


def test_a_pcapng_cut_at_every_byte() -> None:
    """F5: likewise."""
    check_truncations(pcapng, [28, 48])
    record("F5", 2 * TRUNCATED_BYTES, note="bytes of pcap and of pcapng, cut at each")

"""pcapng: sections, interfaces, clocks, kinds of packets; what is damaged, what is too much."""

from __future__ import annotations

import struct

import pytest

from srs.errors import FileError
from srs.traces import pcapng as module
from srs.traces.pcap import read_capture
from worlds.captures import (
    RAW,
    block,
    ethernet,
    interface,
    option,
    packet,
    pcap,
    pcapng,
    section,
    simple_packet,
    visit,
)

FRAMES = visit(30)
RESOLUTION, OFFSET, COMMENT = 9, 14, 1


def code_of(data: bytes) -> str:
    with pytest.raises(FileError) as refused:
        read_capture(data)
    return refused.value.code


@pytest.mark.parametrize("order", "<>")
def test_the_same_packets_as_from_pcap(order: str) -> None:
    classic, blocks = read_capture(pcap(FRAMES)), read_capture(pcapng(FRAMES, order))
    assert blocks.time_ns.tolist() == classic.time_ns.tolist()
    assert blocks.size.tolist() == classic.size.tolist()
    assert blocks.source.tolist() == classic.source.tolist()
    assert (blocks.addresses, blocks.unread_bytes) == (classic.addresses, 0)


def test_a_run_of_equal_blocks_is_walked_like_any_others() -> None:
    frames = [frame._replace(kept_bytes=64) for frame in visit(3000)]
    capture = read_capture(pcapng(frames) + block("<", 99, b"name resolution") + packet(frames[0]))
    assert capture.size.tolist() == [len(frame.data) - 14 for frame in [*frames, frames[0]]]


def test_obsolete_packets_are_read_and_simple_ones_counted() -> None:
    blocks = [packet(FRAMES[0], old=True), simple_packet(FRAMES[1]), packet(FRAMES[2]), simple_packet(FRAMES[3])]
    capture = read_capture(section() + interface() + b"".join(blocks))
    assert capture.time_ns.tolist() == [FRAMES[0].time_us * 1000, FRAMES[2].time_us * 1000]
    assert capture.timeless == 2


def test_sections_have_their_own_byte_order_and_interfaces() -> None:
    raw = FRAMES[2]._replace(data=FRAMES[2].data[14:])
    second = section(">") + interface(">", RAW) + interface(">") + packet(raw, ">") + packet(FRAMES[3], ">", number=1)
    capture = read_capture(pcapng(FRAMES[:2]) + second)
    assert capture.size.tolist() == [len(frame.data) - 14 for frame in FRAMES[:4]]
    assert capture.time_ns.tolist() == [frame.time_us * 1000 for frame in FRAMES[:4]]


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [
        (9, 1_650_000_000_123_456_789, 1_650_000_000_123_456_789),
        (3, 1_650_000_000_123, 1_650_000_000_123_000_000),
        (0, 1_650_000_000, 1_650_000_000_000_000_000),
        (0x80 | 10, 1_650_000_000 << 10 | 512, 1_650_000_000_500_000_000),
        (0x80 | 20, 1_650_000_000 << 20 | 1 << 18, 1_650_000_000_250_000_000),
        (19, 15_000_000_000_000_000_000, 1_500_000_000),
    ],
)
@pytest.mark.parametrize("order", "<>")
def test_clocks_of_any_resolution(order: str, resolution: int, ticks: int, time_ns: int) -> None:
    clock = option(order, COMMENT, b"tap") + option(order, RESOLUTION, bytes([resolution])) + option(order, 0, b"")
    capture = read_capture(section(order) + interface(order, options=clock) + packet(FRAMES[0], order, ticks))
    assert capture.time_ns.tolist() == [time_ns]


def test_a_clock_with_an_offset() -> None:
    clock = option("<", OFFSET, struct.pack("<q", -1_000_000_000))
    capture = read_capture(section() + interface(options=clock) + packet(FRAMES[0]))
    assert capture.time_ns.tolist() == [FRAMES[0].time_us * 1000 - 10**18]


@pytest.mark.parametrize(
    "options",
    [
        option("<", 0, b"") + option("<", RESOLUTION, b"\x09"),  # behind the end
        option("<", RESOLUTION, b"\x09\x09"),  # of another length
        option("<", OFFSET, b"\x01"),
        struct.pack("<HH", RESOLUTION, 500) + b"\x09",  # longer than the block
    ],
)
def test_options_that_are_none_are_passed_over(options: bytes) -> None:
    capture = read_capture(section() + interface(options=options) + packet(FRAMES[0]))
    assert capture.time_ns.tolist() == [FRAMES[0].time_us * 1000]


@pytest.mark.parametrize(
    ("options", "ticks"),
    [
        (option("<", RESOLUTION, b"\x14"), 0),  # 10 to the power of -20
        (option("<", RESOLUTION, b"\xc0"), 0),  # 2 to the power of -64
        (option("<", RESOLUTION, b"\x00"), 1 << 63),
        (option("<", OFFSET, struct.pack("<q", -(1 << 63))), 0),
        (option("<", OFFSET, struct.pack("<q", (1 << 63) - 1)), (1 << 64) - 1),
        (option("<", OFFSET, struct.pack("<q", -1)), 999_999),
    ],
)
def test_times_out_of_this_world_are_refused(options: bytes, ticks: int) -> None:
    assert code_of(section() + interface(options=options) + packet(FRAMES[0], ticks=ticks)) == "capture.clock"


def test_a_cut_tail_costs_the_last_block_only() -> None:
    whole, last = pcapng(FRAMES), len(packet(FRAMES[-1]))
    for lost in (1, 4, last - 1):
        capture = read_capture(whole[:-lost])
        assert (len(capture.size), capture.unread_bytes) == (29, last - lost)


@pytest.mark.parametrize(
    "damaged",
    [
        block("<", 6, bytes(8)),  # too short for what it is
        struct.pack("<II", 6, 34) + bytes(30),  # no multiple of 4
        struct.pack("<II", 5, 8) + bytes(8),  # shorter than a block
        packet(FRAMES[5])[:-4] + struct.pack("<I", 16),  # its two lengths differ
        packet(FRAMES[5], number=1),  # of an interface that is not there
        block("<", 6, struct.pack("<5I", 0, 0, 0, 50, 50) + bytes(40)),  # claims more bytes than it has
        block("<", 0x0A0D0D0A, bytes(16)),  # a section in no byte order
        section(version=2),
    ],
)
def test_behind_a_damaged_block_nothing_is_believed(damaged: bytes) -> None:
    good, rest = pcapng(FRAMES[:4]), damaged + packet(FRAMES[6]) + pcapng(FRAMES[7:9])
    capture = read_capture(good + rest)
    assert capture.time_ns.tolist() == [frame.time_us * 1000 for frame in FRAMES[:4]]
    assert capture.unread_bytes == len(rest)


@pytest.mark.parametrize("first", [section(version=2), section()[:24], block("<", 0x0A0D0D0A, bytes(16))])
def test_without_a_first_section_there_is_no_capture(first: bytes) -> None:
    assert code_of(first) == "capture.damaged"


@pytest.mark.parametrize(
    ("limit", "data"),
    [
        ("PACKETS_MAX", section() + interface() + 11 * packet(FRAMES[0])),
        ("PACKETS_MAX", section() + interface() + 100 * packet(FRAMES[0])),
        ("BLOCKS_MAX", section() + interface() + 11 * packet(FRAMES[0], old=True)),
        ("SECTIONS_MAX", 11 * section()),
        ("INTERFACES_MAX", section() + 11 * interface()),
        ("OPTIONS_MAX", section() + interface(options=11 * option("<", COMMENT, b"hello"))),
    ],
)
def test_parts_are_limited(limit: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read_capture(data)
    monkeypatch.setattr(module, limit, 10)
    assert code_of(data) == "capture.parts"


def test_a_section_without_packets_is_empty() -> None:
    assert len(read_capture(section()).size) == 0
    assert len(read_capture(section() + interface() + block("<", 4, ethernet(bytes(20)))).size) == 0

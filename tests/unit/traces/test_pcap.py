"""Classic captures: both byte orders, both clocks, cut frames, cut files."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from srs.errors import FileError
from srs.traces import pcap as module
from srs.traces.pcap import CAPTURE_MAX_BYTES, FRAME_MAX_BYTES, read_capture
from worlds.captures import CLIENT, GUARD, Frame, ethernet, ip, pcap, pcapng, tcp, visit

HEADER_BYTES, RECORD_BYTES = 24, 16


def code_of(data: bytes) -> str:
    with pytest.raises(FileError) as refused:
        read_capture(data)
    return refused.value.code


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tick_ns", [1000, 1])
def test_both_byte_orders_and_both_clocks(order: str, tick_ns: int) -> None:
    frames = visit(5)
    capture = read_capture(pcap(frames, order, tick_ns))
    assert capture.size.tolist() == [len(frame.data) - 14 for frame in frames]
    assert capture.time_ns.tolist() == [frame.time_us * 1000 for frame in frames]
    assert [str(address) for address in capture.addresses] == [GUARD, CLIENT]
    assert capture.source.tolist() == [1, 0, 0, 1, 0]
    assert capture.destination.tolist() == [0, 1, 1, 0, 1]
    assert (capture.not_ip, capture.timeless, capture.unread_bytes) == (0, 0, 0)


def test_nanoseconds_are_kept() -> None:
    data = bytearray(pcap(visit(2), tick_ns=1))
    struct.pack_into("<I", data, HEADER_BYTES + 4, 123_456_789)
    assert read_capture(bytes(data)).time_ns[0] == 1_650_000_000_123_456_789


def test_frames_cut_to_64_bytes_lose_nothing() -> None:
    frames = visit(40)
    cut = [frame._replace(kept_bytes=64) for frame in frames]
    assert read_capture(pcap(cut)).size.tolist() == read_capture(pcap(frames)).size.tolist()


@pytest.mark.parametrize("lengths", [[64] * 5000, [64] * 40 + [60] + [64] * 40 + [70, 71] * 30, [0, 200] * 100])
def test_long_runs_of_equal_frames_are_walked_like_any_others(lengths: list[int]) -> None:
    data = ethernet(ip(CLIENT, GUARD, tcp(1000)))
    frames = [Frame(number, data, length) for number, length in enumerate(lengths)]
    capture = read_capture(pcap(frames))
    assert capture.time_ns.tolist() == [1000 * n for n, length in enumerate(lengths) if length >= 14 + 20]
    assert capture.not_ip == sum(length < 14 + 20 for length in lengths)
    assert capture.unread_bytes == 0


@pytest.mark.parametrize("lost", [1, 16, 63, 64, 79])
def test_a_cut_tail_costs_the_last_packet_only(lost: int) -> None:
    whole = pcap([frame._replace(kept_bytes=64) for frame in visit(50)])
    capture = read_capture(whole[:-lost])
    assert len(capture.size) == 49
    assert capture.unread_bytes == 64 + RECORD_BYTES - lost


def test_behind_an_impossible_record_nothing_is_believed() -> None:
    frames = visit(6)
    data = bytearray(pcap(frames))
    third = HEADER_BYTES + sum(RECORD_BYTES + len(frame.data) for frame in frames[:2])
    struct.pack_into("<I", data, third + 8, FRAME_MAX_BYTES + 1)
    capture = read_capture(bytes(data))
    assert len(capture.size) == 2
    assert capture.unread_bytes == len(data) - third


def test_a_capture_without_a_packet_is_empty() -> None:
    capture = read_capture(pcap([]))
    assert (len(capture.size), capture.addresses, capture.unread_bytes) == (0, (), 0)


def test_the_length_of_a_check_sequence_is_no_part_of_the_link_type() -> None:
    assert len(read_capture(pcap(visit(3), link_type=1 | 0x14000000)).size) == 3


def test_what_is_no_capture_is_refused() -> None:
    assert code_of(b"") == code_of(b"\xd4\xc3\xb2") == code_of(b"cell_id,rep") == "capture.format"
    assert code_of(pcap([])[:23]) == "capture.damaged"
    assert code_of(pcapng([])[:20]) == "capture.damaged"
    assert code_of(bytes(CAPTURE_MAX_BYTES + 1)) == "capture.too-large"


def test_packets_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKETS_MAX", 100)
    data = ethernet(ip(CLIENT, GUARD, tcp(0)))
    assert len(read_capture(pcap([Frame(0, data)] * 100)).size) == 100
    assert code_of(pcap([Frame(0, data)] * 101)) == "capture.parts"
    assert code_of(pcap([Frame(0, data), Frame(0, data + b"x")] * 60)) == "capture.parts"


def test_arrays_have_the_types_that_are_promised() -> None:
    capture = read_capture(pcap(visit(3)))
    assert (capture.time_ns.dtype, capture.size.dtype) == (np.int64, np.int32)
    assert (capture.source.dtype, capture.is_ack.dtype) == (np.int64, np.bool_)

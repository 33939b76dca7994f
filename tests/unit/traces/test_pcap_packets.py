"""From frames to IP packets: link types, tags, both versions of IP, lengths, acknowledgements."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from srs.errors import FileError
from srs.traces.pcap import read_capture
from srs.traces.pcap_packets import SIZE_MAX_BYTES, Capture
from worlds.captures import (
    ACK,
    CLIENT,
    CLIENT6,
    COOKED,
    COOKED2,
    ETHERNET,
    FIN_ACK,
    GUARD,
    GUARD6,
    LOOPBACK,
    LOOPBACK_BIG,
    PUSH_ACK,
    RAW,
    SYN,
    Frame,
    cooked,
    cooked2,
    ethernet,
    interface,
    ip,
    packet,
    pcap,
    section,
    tcp,
)

UDP, HOP_BY_HOP = 17, 0
MORE_FRAGMENTS = 0x2000
IPV4, IPV6 = ip(CLIENT, GUARD, tcp(100)), ip(CLIENT6, GUARD6, tcp(100))


def capture(*frames: bytes, link_type: int = ETHERNET, kept_bytes: int | None = None) -> Capture:
    return read_capture(pcap([Frame(0, data, kept_bytes) for data in frames], link_type=link_type))


def ends(found: Capture) -> list[tuple[str, str]]:
    pairs = zip(found.source.tolist(), found.destination.tolist(), strict=True)
    return [(str(found.addresses[source]), str(found.addresses[destination])) for source, destination in pairs]


@pytest.mark.parametrize(
    ("link_type", "framed"),
    [
        (ETHERNET, ethernet),
        (COOKED, cooked),
        (COOKED2, cooked2),
        (LOOPBACK, lambda data: struct.pack("<I", 2) + data),
        (LOOPBACK_BIG, lambda data: struct.pack(">I", 2) + data),
        *((raw, lambda data: data) for raw in (12, 14, RAW, 228, 229)),
    ],
)
def test_link_types(link_type: int, framed: Callable[[bytes], bytes]) -> None:
    found = capture(framed(IPV4), framed(IPV6), link_type=link_type)
    assert found.size.tolist() == [len(IPV4), len(IPV6)]
    assert ends(found) == [(CLIENT, GUARD), (CLIENT6, GUARD6)]


@pytest.mark.parametrize("tags", [[0x8100], [0x88A8, 0x8100], [0x9100, 0x9100, 0x8100, 0x8100]])
def test_vlan_tags(tags: list[int]) -> None:
    found = capture(ethernet(IPV4, tags=tags), ethernet(IPV6), ethernet(IPV6, tags=tags))
    assert found.size.tolist() == [len(IPV4), len(IPV6), len(IPV6)]
    assert capture(ethernet(IPV4, tags=[*tags, 0x8100, 0x8100, 0x8100, 0x8100])).not_ip == 1


@pytest.mark.parametrize("link_type", [105, 127, 147, 277, 65_535, 0x03FFFFFF])
def test_other_link_types_are_refused_by_number(link_type: int) -> None:
    with pytest.raises(FileError, match=f"link type {link_type};") as refused:
        capture(ethernet(IPV4), link_type=link_type)
    assert refused.value.code == "capture.link-type"


def test_the_link_type_of_one_interface_among_others_is_named() -> None:
    data = section() + interface() + interface(link_type=105)
    assert len(read_capture(data + packet(Frame(0, ethernet(IPV4)))).size) == 1
    with pytest.raises(FileError, match="link type 105;"):
        read_capture(data + packet(Frame(0, ethernet(IPV4))) + packet(Frame(0, IPV4), number=1))


def test_what_is_no_ip_packet_is_counted() -> None:
    found = capture(
        ethernet(IPV4),
        ethernet(IPV4, protocol=0x0806),  # ARP
        ethernet(bytes([0x55]) + IPV4[1:]),  # IP version 5
        ethernet(bytes([0x44]) + IPV4[1:]),  # a header of 16 bytes
        ethernet(ip(CLIENT, GUARD, b"", said_bytes=19)),  # less than its header
        ethernet(IPV4)[:33],
        ethernet(IPV6)[:53],
        ethernet(IPV6)[:54],
        b"",
    )
    assert (found.size.tolist(), found.not_ip) == ([len(IPV4), len(IPV6)], 7)


def test_the_size_is_that_of_the_ip_packet_not_of_the_frame() -> None:
    short = ip(CLIENT, GUARD, tcp(2, options_bytes=0), options_bytes=8)
    assert capture(ethernet(short) + bytes(10)).size.tolist() == [20 + 8 + 20 + 2]
    assert capture(ethernet(ip(CLIENT6, GUARD6, tcp(2))) + bytes(10)).size.tolist() == [40 + 32 + 2]


def test_a_packet_without_a_length_has_that_of_its_frame() -> None:
    """A card that cuts segments itself is handed IP packets whose length is 0."""
    payload = tcp(4000)
    handed = [ip(*pair, payload, said_bytes=0) for pair in ((CLIENT, GUARD), (CLIENT6, GUARD6))]
    found = capture(*map(ethernet, handed), kept_bytes=80)
    assert found.size.tolist() == [20 + len(payload), 40 + len(payload)]


def test_no_size_exceeds_what_a_defence_may_hold() -> None:
    huge = ip(CLIENT6, GUARD6, tcp(0), said_bytes=65_535)
    assert capture(ethernet(huge)).size.tolist() == [SIZE_MAX_BYTES]


@pytest.mark.parametrize("pair", [(CLIENT, GUARD), (CLIENT6, GUARD6)])
def test_which_segments_only_acknowledge(pair: tuple[str, str]) -> None:
    segments = [tcp(0, ACK), tcp(0, PUSH_ACK), tcp(1, ACK), tcp(0, SYN), tcp(0, SYN | ACK), tcp(0, FIN_ACK), tcp(0, 4)]
    found = capture(*(ethernet(ip(*pair, segment)) for segment in segments))
    assert found.is_ack.tolist() == [True, True, False, False, False, False, False]
    assert capture(ethernet(ip(*pair, tcp(0, ACK), UDP))).is_ack.tolist() == [False]
    seen_bytes = 14 + (20 if pair[0] == CLIENT else 40) + 14
    assert capture(ethernet(ip(*pair, tcp(0, ACK))), kept_bytes=seen_bytes).is_ack.tolist() == [True]
    assert capture(ethernet(ip(*pair, tcp(0, ACK))), kept_bytes=seen_bytes - 1).is_ack.tolist() == [False]


def test_a_fragment_or_an_extension_header_is_taken_for_no_acknowledgement() -> None:
    ack = tcp(0, ACK)
    first, later = (ethernet(ip(CLIENT, GUARD, ack, fragment=offset)) for offset in (MORE_FRAGMENTS, 185))
    assert capture(first, later).is_ack.tolist() == [True, False]
    assert capture(ethernet(ip(CLIENT6, GUARD6, bytes(8) + ack, HOP_BY_HOP))).is_ack.tolist() == [False]
    assert capture(ethernet(ip(CLIENT, GUARD, ack, options_bytes=8))).is_ack.tolist() == [True]


def test_addresses_of_both_kinds_are_told_apart() -> None:
    pairs = [
        ("0.0.0.1", GUARD),
        ("::1", "::b9dc:6507"),
        (CLIENT, GUARD),
        ("fd00::1:2", "fd00::2:1"),
        ("fd00::2:1", "::1"),
    ]
    found = capture(*(ethernet(ip(*pair, tcp(1))) for pair in pairs))
    assert ends(found) == pairs
    assert len(found.addresses) == len(set(found.addresses)) == 7


def test_an_ipv4_address_in_an_ipv6_packet_is_the_same_address() -> None:
    assert ends(capture(ethernet(ip(f"::ffff:{CLIENT}", GUARD6, tcp(1))))) == [(CLIENT, GUARD6)]

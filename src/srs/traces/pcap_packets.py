"""The frames of a capture become IP packets: sizes, addresses, and which are bare acknowledgements.

Read are Ethernet (with VLAN tags), Linux cooked captures, raw IP and loopback frames, with IPv4 or IPv6. Of
each packet the headers are enough: a capture cut to 64 bytes a frame (``tcpdump -s 64``) loses nothing.
Numbers of link types: https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from srs.errors import FileError
from srs.traces.trace_set import Int32s, Int64s

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Bytes: TypeAlias = npt.NDArray[np.uint8]
Bools: TypeAlias = npt.NDArray[np.bool_]
Structures: TypeAlias = npt.NDArray[np.void]

# What an IPv4 header can say; a longer IPv6 packet counts as one of this size, the largest that a defence may hold.
SIZE_MAX_BYTES = 65_535
# A visit to a page is some hundred packets.
PACKETS_MAX = 5_000_000
# As much of a frame as is ever looked at: 20 bytes of link, 4 tags, 60 bytes of IP, 14 of TCP; and some.
HEAD_BYTES = 128
# To look ahead costs as much as to walk over some twenty frames: it is tried after so many alike.
ALIKE, LOOK_AHEAD = 16, 2048

# Where the IP packet begins in a frame, and where the frame names its protocol (-1: nowhere, it can only be IP).
_RAW, _LOOPBACK = (0, -1), (4, -1)
_LINKS = {
    0: _LOOPBACK,  # of the BSDs
    1: (14, 12),  # Ethernet
    12: _RAW,
    14: _RAW,
    101: _RAW,
    108: _LOOPBACK,  # of OpenBSD
    113: (16, 14),  # Linux cooked capture
    228: _RAW,
    229: _RAW,
    276: (20, 0),  # Linux cooked capture, version 2
}
_STRANGE = (-1, -1)
_HEADER_OF_LINK, _PROTOCOL_OF_LINK = np.array([_LINKS.get(kind, _STRANGE) for kind in range(max(_LINKS) + 2)]).T
_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN, _VLAN_OUTER, _VLAN_OUTER_OLD = 0x8100, 0x88A8, 0x9100
_TAGS_MAX, _TAG_BYTES = 4, 4
_PROTOCOL, _HEAD = np.dtype(">u2"), np.dtype((np.void, HEAD_BYTES))

# RFC 791 section 3.1, RFC 8200 section 3. Both are read from the same 40 bytes; an IPv4 header may be shorter.
_HEADER4_BYTES, _HEADER6_BYTES = 20, 40
_IP = np.dtype(
    {
        "names": ["first", "total4", "payload6", "fragment4", "next6", "protocol4", "source4", "destination4", "ends6"],
        "formats": ["u1", ">u2", ">u2", ">u2", "u1", "u1", ">u4", ">u4", (">u8", 4)],
        "offsets": [0, 2, 4, 6, 6, 9, 12, 16, 8],
        "itemsize": _HEADER6_BYTES,
    }
)
# RFC 9293 section 3.1: how long a TCP header is, and its flags.
_TCP = np.dtype({"names": ["words", "flags"], "formats": ["u1", "u1"], "offsets": [12, 13], "itemsize": 14})
_TCP_PROTOCOL = 6
_FIN_SYN_RST_ACK, _ACK = 0x17, 0x10
_FRAGMENT_OFFSET = 0x1FFF
# RFC 4291 section 2.5.5.2: how an IPv4 address is written where there is room for both kinds (::ffff:0:0/96).
_MAPPED = np.uint64(0xFFFF << 32)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Frames:
    """The frames of a capture file, in its order; arrays have shape (frames,).

    ``heads``, shape (frames, ``HEAD_BYTES``), begins with the bytes of each frame; what follows the
    ``captured_bytes`` of its ``wire_bytes`` means nothing. ``time_ns`` counts from 1970. ``link_type`` is one for all
    (shape ()) or one for each. ``timeless`` and ``unread_bytes`` are as in ``Capture``.
    """

    heads: Bytes
    captured_bytes: Int64s
    wire_bytes: Int64s
    time_ns: Int64s
    link_type: Int64s
    timeless: int = 0
    unread_bytes: int = 0


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Capture:
    """The IP packets of one capture file, in its order; arrays have shape (packets,).

    ``time_ns`` counts from 1970. ``size`` is the length of the IP packet in bytes, its header included, 20 to 65 535.
    ``source`` and ``destination`` index ``addresses``. ``is_ack`` marks TCP segments that only acknowledge.
    ``not_ip`` counts frames that hold no IP packet, or less than its header; ``timeless`` those without a time;
    ``unread_bytes`` is the damaged or cut-off end of the file, which was left out.
    """

    time_ns: Int64s
    size: Int32s
    source: Int64s
    destination: Int64s
    is_ack: Bools
    addresses: tuple[Address, ...]
    not_ip: int
    timeless: int
    unread_bytes: int


def structures(buffer: bytes | Bytes, at: Int64s, layout: np.dtype[np.void]) -> Structures:
    """The structure that lies at each of these offsets, shape as ``at``."""
    size = len(buffer) - layout.itemsize + 1
    windows = np.ndarray((max(0, size),), f"V{layout.itemsize}", buffer, strides=(1,))
    return windows[at].view(layout)


def heads_of(data: bytes, at: Int64s) -> Bytes:
    """The first ``HEAD_BYTES`` at each of these ascending offsets, with zeros behind the end of the data."""
    early = int(np.searchsorted(at, len(data) - HEAD_BYTES, "right"))
    heads = structures(data, at[:early], _HEAD)
    if early < len(at):
        tail = data[at[early] :] + bytes(HEAD_BYTES)
        heads = np.concatenate((heads, structures(tail, at[early:] - at[early], _HEAD)))
    return heads.view(np.uint8).reshape(-1, HEAD_BYTES)


def repeated(buffer: bytes, at: int, step: int, width: int, most: int) -> int:
    """How many times, at most ``most``, the ``width`` bytes at ``at`` are found again and again after ``step`` bytes.

    Most frames of a capture that was cut to so many bytes a frame are equally long; a chain of such needs no walk.
    The first one counts; no more than ``LOOK_AHEAD`` are looked at.
    """
    numbers = np.ndarray((min(most, LOOK_AHEAD),), f"u{width}", buffer, at, (step,))
    return int((numbers != numbers[0]).argmax()) or len(numbers)


def decode(frames: Frames) -> Capture:
    """Find the IP packet in each frame. Raises ``FileError`` for a link type that is not read here."""
    ip_at, good = _behind_link(frames)
    heads, seen = frames.heads, frames.captured_bytes - ip_at
    head = _in_heads(heads, ip_at, _IP)
    version = head["first"] >> 4
    is6 = version == 6
    header = np.where(is6, _HEADER6_BYTES, (head["first"] & 15) * 4)
    length = _lengths(head, is6, frames.wire_bytes - ip_at)
    good &= (is6 | (version == 4)) & (header >= _HEADER4_BYTES) & (length >= header)
    good &= seen >= np.where(is6, _HEADER6_BYTES, _HEADER4_BYTES)
    tcp_at, time_ns = ip_at + header, frames.time_ns
    if not good.all():
        heads, head, is6, header, length = heads[good], head[good], is6[good], header[good], length[good]
        seen, tcp_at, time_ns = seen[good], tcp_at[good], time_ns[good]
    source, destination, addresses = _ends(head, is6)
    return Capture(
        time_ns=time_ns,
        size=np.minimum(length, SIZE_MAX_BYTES).astype(np.int32),
        source=source,
        destination=destination,
        is_ack=_only_acknowledge(_in_heads(heads, tcp_at, _TCP), head, is6, length - header, seen - header),
        addresses=addresses,
        not_ip=len(good) - len(length),
        timeless=frames.timeless,
        unread_bytes=frames.unread_bytes,
    )


def _in_heads(heads: Bytes, at: Int64s, layout: np.dtype[Any]) -> npt.NDArray[Any]:
    """What lies in each head at this offset, one for all (shape ()) or one for each; shape (frames,)."""
    if at.ndim == 0:
        return heads[:, at : at + layout.itemsize].view(layout)[:, 0]
    return structures(heads.reshape(-1), np.arange(len(heads)) * HEAD_BYTES + at, layout)


def _behind_link(frames: Frames) -> tuple[Int64s, Bools]:
    """Where in a head the IP packet would begin (one for all, or one for each), and which frames hold one."""
    link = np.minimum(frames.link_type, len(_HEADER_OF_LINK) - 1)
    ip_at, protocol_at = _HEADER_OF_LINK[link], _PROTOCOL_OF_LINK[link]
    if np.any(ip_at < 0):
        raise FileError(
            "capture.link-type",
            f"This capture holds frames of link type {frames.link_type[ip_at < 0].flat[0]}; Ethernet, Linux "
            "cooked, raw IP and loopback frames are read.",
            hint="Capture at the network interface of the machine that runs the Tor client.",
        )
    is_named = protocol_at >= 0
    protocol = _in_heads(frames.heads, np.maximum(protocol_at, 0), _PROTOCOL)
    for _ in range(_TAGS_MAX):
        tagged = is_named & ((protocol == _VLAN) | (protocol == _VLAN_OUTER) | (protocol == _VLAN_OUTER_OLD))
        if not tagged.any():
            break
        protocol = np.where(tagged, _in_heads(frames.heads, ip_at + 2, _PROTOCOL), protocol)
        ip_at = ip_at + _TAG_BYTES * tagged
    return ip_at, ~is_named | (protocol == _IPV4) | (protocol == _IPV6)


def _lengths(head: Structures, is6: Bools, rest_bytes: Int64s) -> Int64s:
    """How long each IP packet is; ``rest_bytes`` is what its frame had on the wire from there on.

    A network card that cuts segments itself is handed packets without a length: the frame's is all there is.
    """
    said = np.where(is6, head["payload6"], head["total4"]).astype(np.int64)
    return np.where(said == 0, rest_bytes, said + _HEADER6_BYTES * is6)


def _only_acknowledge(tcp: Structures, head: Structures, is6: Bools, length: Int64s, seen: Int64s) -> Bools:
    """Which packets are TCP segments without payload and without SYN, FIN or RST.

    The IP packet's payload is ``length`` bytes long, and ``seen`` of them were captured. A later fragment has no TCP
    header, and neither has (for us) a packet with extension headers of IPv6.
    """
    is_tcp: Bools = np.where(is6, head["next6"], head["protocol4"]) == _TCP_PROTOCOL
    is_tcp &= (seen >= _TCP.itemsize) & (is6 | (head["fragment4"] & _FRAGMENT_OFFSET == 0))
    is_tcp &= (length == (tcp["words"] >> 4) * 4) & (tcp["flags"] & _FIN_SYN_RST_ACK == _ACK)
    return is_tcp


def _ends(head: Structures, is6: Bools) -> tuple[Int64s, Int64s, tuple[Address, ...]]:
    """Source and destination of each packet as places in the sorted addresses, and these."""
    low = np.concatenate((head["source4"], head["destination4"]), dtype=np.uint32)
    addresses: list[Address]
    if is6.any():
        places, addresses = _both_kinds(low, head["ends6"], np.concatenate((is6, is6)))
    else:
        numbers = np.unique(low)
        places = numbers.searchsorted(low)  # faster than return_inverse, as there are few addresses
        addresses = [ipaddress.IPv4Address(number) for number in numbers.tolist()]
    return places[: len(head)], places[len(head) :], tuple(addresses)


def _both_kinds(
    number4: npt.NDArray[np.uint32], halves6: npt.NDArray[np.uint64], is6: Bools
) -> tuple[Int64s, list[Address]]:
    """Places in the addresses, and these, where some of 128 bits are among them: each half has its own place."""
    source_high, source_low, destination_high, destination_low = halves6.T
    high = np.where(is6, np.concatenate((source_high, destination_high)), 0)
    low = np.where(is6, np.concatenate((source_low, destination_low)), number4.astype(np.uint64) + _MAPPED)
    highs, of_high = np.unique(high, return_inverse=True)
    lows, of_low = np.unique(low, return_inverse=True)
    pairs, places = np.unique(of_high * len(lows) + of_low, return_inverse=True)
    addresses = [_address(int(highs[pair // len(lows)]), int(lows[pair % len(lows)])) for pair in pairs.tolist()]
    return places, addresses


def _address(high: int, low: int) -> Address:
    if high == 0 and low >> 32 == 0xFFFF:
        return ipaddress.IPv4Address(low & 0xFFFFFFFF)
    return ipaddress.IPv6Address(high << 64 | low)

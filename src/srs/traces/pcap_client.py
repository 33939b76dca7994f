"""A capture, seen from the client: which address is the client's, what it sent and received.

The client is the private side: the address of a private network that takes part in nearly every packet that has a
private end, and in most packets of all. It is looked for in all captures together, yet may change between them, as it
does when sessions were captured on different days.
"""

from __future__ import annotations

import collections
import dataclasses
import ipaddress
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from srs.errors import InputError
from srs.traces.pcap_packets import Address, Capture
from srs.traces.report import counted, quoted
from srs.traces.trace_set import Int32s, Int64s

# RFC 1918, 6598, 3927, 1122, 4193, 4291: private, behind the provider's NAT, link-local, loopback.
_PRIVATE_NETWORKS = """
10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 127.0.0.0/8 fc00::/7 fe80::/10 ::1/128
"""
_PRIVATE = tuple(map(ipaddress.ip_network, _PRIVATE_NETWORKS.split()))
# A client is an end of at least this share of the packets that have a private end, and of this share of all packets:
# else the traffic is another's, say of a public address beside which a private one asks for names.
SHARE_MIN, SHARE_OF_ALL_MIN = 0.9, 0.5
# ... and no other private address of more than this share of the client's: a name server is, a relay is not.
RIVAL_MAX = 0.5


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ClientTrace:
    """The packets of a client, in the order of the capture; arrays have shape (packets,).

    ``size`` is in bytes, + sent, - received; ``time_us`` in microseconds since the first of these packets.
    ``foreign`` counts packets of others, ``acks`` pure acknowledgements that were left out.
    """

    size: Int32s
    time_us: Int64s
    foreign: int
    acks: int


def is_private(address: Address) -> bool:
    """Whether an address belongs to a private network, to a link or to the machine itself."""
    return any(address in network for network in _PRIVATE)


def find_clients(captures: Mapping[str, Capture]) -> dict[str, Address]:
    """The client of each capture, by the capture's name; one without a private address has none.

    Raises ``InputError`` where no capture has a private address, and where more than one could be the client's.
    """
    tallies = {name: _tally(capture) for name, capture in captures.items()}
    left = {name: tally for name, tally in tallies.items() if tally.private}
    if not left:
        raise _no_private(tallies.values())
    clients: dict[str, Address] = {}
    while left:
        client, own = _commonest(left)
        clients |= dict.fromkeys(own, client)
        left = {name: tally for name, tally in left.items() if name not in own}
    return clients


def as_seen_by(clients: Collection[Address], capture: Capture, *, with_acks: bool = False) -> ClientTrace:
    """What the clients sent and received; without pure acknowledgements, unless ``with_acks``."""
    is_client = np.array([address in clients for address in capture.addresses], dtype=bool)
    sent, received = is_client[capture.source], is_client[capture.destination]
    kept = sent | received
    foreign = int(np.count_nonzero(~kept))
    if not with_acks:
        kept &= ~capture.is_ack
    time_ns = capture.time_ns[kept]
    return ClientTrace(
        size=np.where(sent[kept], capture.size[kept], -capture.size[kept]),
        time_us=(time_ns - time_ns[:1] + 500) // 1000,
        foreign=foreign,
        acks=len(kept) - foreign - len(time_ns),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Tally:
    """Of how many packets of a capture each address is an end; how many there are, and how many have a private end."""

    ends: Mapping[Address, int]
    packets: int
    private: int

    @property
    def private_ends(self) -> Mapping[Address, int]:
        return {address: count for address, count in self.ends.items() if is_private(address)}


def _tally(capture: Capture) -> _Tally:
    number = len(capture.addresses)
    other_end = capture.destination[capture.source != capture.destination]
    ends = np.bincount(capture.source, minlength=number) + np.bincount(other_end, minlength=number)
    private = np.array([is_private(address) for address in capture.addresses], dtype=bool)
    return _Tally(
        ends=dict(zip(capture.addresses, ends.tolist(), strict=True)),
        packets=len(capture.size),
        private=int(np.count_nonzero(private[capture.source] | private[capture.destination])),
    )


def _commonest(tallies: Mapping[str, _Tally]) -> tuple[Address, Collection[str]]:
    """The private address that is most often an end of packets, and the captures whose client it is."""
    everywhere = _summed(tally.private_ends for tally in tallies.values())
    client = max(everywhere, key=everywhere.__getitem__)
    own = {name for name, tally in tallies.items() if tally.ends.get(client, 0) >= SHARE_MIN * tally.private}
    rivals = _summed(tallies[name].private_ends for name in own) if own else everywhere
    found = rivals.pop(client)
    if own and all(count <= RIVAL_MAX * found for count in rivals.values()):
        for name in sorted(own):
            _hold_most(name, tallies[name], client)
        return client, own
    rival = max(rivals, key=rivals.__getitem__)
    place = next((name for name, tally in tallies.items() if {client, rival} <= tally.ends.keys()), min(tallies))
    raise InputError(
        "capture.client",
        f"Which side is the client? {client} and {rival} are both private addresses and take part in many packets "
        f"(see {quoted(place)}).",
        hint=f"Name the client, for example with --client {client}",
    )


def _hold_most(name: str, tally: _Tally, client: Address) -> None:
    """Refuse a client that most packets of its capture are not of."""
    if tally.ends[client] >= SHARE_OF_ALL_MIN * tally.packets:
        return
    likely = max(tally.ends, key=tally.ends.__getitem__)
    raise InputError(
        "capture.client",
        f"Which side is the client? {client} is the private address in {quoted(name)} but takes part in only "
        f"{tally.ends[client]} of its {counted(tally.packets, 'packet')}; {likely} takes part in {tally.ends[likely]}.",
        hint=f"Name the client, for example with --client {likely}",
    )


def _summed(counts: Iterable[Mapping[Address, int]]) -> collections.Counter[Address]:
    total: collections.Counter[Address] = collections.Counter()
    for each in counts:
        total.update(each)
    return total


def _no_private(tallies: Iterable[_Tally]) -> InputError:
    everywhere = _summed(tally.ends for tally in tallies)
    if not everywhere:
        return InputError("capture.client", "No IP packet was found in these captures.")
    likely = max(everywhere, key=everywhere.__getitem__)
    return InputError(
        "capture.client",
        f"Which address is the client's? None in these captures is private; {likely} takes part in most packets.",
        hint=f"Name the client, for example with --client {likely}",
    )

"""Which side of a capture is the client, and what it sent and received."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest

from srs.errors import InputError
from srs.traces.pcap import read_capture
from srs.traces.pcap_client import as_seen_by, find_clients, is_private
from srs.traces.pcap_packets import Capture
from worlds.captures import ACK, CLIENT, CLIENT6, GUARD, GUARD6, Frame, ethernet, ip, pcap, tcp, visit

OTHER_CLIENT, ROUTER = "10.0.0.5", "192.168.80.1"


def talk(*pairs: tuple[str, str], each: int = 1) -> Capture:
    frames = [Frame(n, ethernet(ip(*pair, tcp(n + 1)))) for n, pair in enumerate(pairs * each)]
    return read_capture(pcap(frames))


def found(**captures: Capture) -> dict[str, str]:
    return {name: str(address) for name, address in find_clients(captures).items()}


def sentence(**captures: Capture) -> str:
    with pytest.raises(InputError) as refused:
        find_clients(captures)
    assert refused.value.code == "capture.client"
    return str(refused.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.255.0.1", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.0.1", True),
        ("192.169.0.1", False),
        ("169.254.3.4", True),
        ("100.64.0.1", True),
        ("127.0.0.1", True),
        ("8.8.8.8", False),
        ("224.0.0.251", False),
        ("fd00::1", True),
        ("fe80::1", True),
        ("::1", True),
        ("2001:db8::1", False),
    ],
)
def test_what_is_private(address: str, expected: bool) -> None:
    assert is_private(ipaddress.ip_address(address)) is expected


def test_the_private_side_is_the_client_and_may_change_between_sessions() -> None:
    monday, friday = read_capture(pcap(visit())), read_capture(pcap(visit(client=OTHER_CLIENT)))
    assert found(a=monday, b=friday, c=monday) == {"a": CLIENT, "b": OTHER_CLIENT, "c": CLIENT}


def test_a_local_name_server_is_not_the_client() -> None:
    pairs = [(CLIENT, ROUTER), (ROUTER, CLIENT), (CLIENT, GUARD), (GUARD, CLIENT), (GUARD, CLIENT), (GUARD, CLIENT)]
    assert found(a=talk(*pairs)) == {"a": CLIENT}
    # Where one capture alone would leave it open, the others decide.
    assert found(a=talk(*pairs), b=talk(*pairs[:2]), c=talk(*pairs)) == dict.fromkeys("abc", CLIENT)


def test_a_capture_without_a_private_address_has_no_client() -> None:
    assert found(a=talk((CLIENT, GUARD)), b=talk(("8.8.8.8", GUARD)), c=read_capture(pcap([]))) == {"a": CLIENT}


def test_a_private_address_in_few_packets_is_not_the_client() -> None:
    """A host with a public address asks its name server at a private one."""
    asks = [("8.8.8.8", OTHER_CLIENT), (OTHER_CLIENT, "8.8.8.8")]
    told = sentence(only=talk(*asks, *[("8.8.8.8", GUARD), (GUARD, "8.8.8.8")] * 5))
    assert f"{OTHER_CLIENT} is the private address in only but takes part in only 2 of its 12 packets" in told
    assert "8.8.8.8 takes part in 12." in told
    assert told.endswith("with --client 8.8.8.8")
    assert found(only=talk(*asks, (GUARD, "8.8.8.8"), ("8.8.8.8", GUARD))) == {"only": OTHER_CLIENT}


def test_two_private_ends_need_a_name() -> None:
    told = sentence(first=talk((CLIENT, GUARD)), second=talk((CLIENT, ROUTER), each=5))
    assert CLIENT in told
    assert ROUTER in told
    assert "(see second)" in told
    assert told.endswith(f"with --client {CLIENT}")


def test_two_private_hosts_in_one_capture_need_a_name() -> None:
    told = sentence(only=talk((CLIENT, GUARD), (GUARD, CLIENT), (OTHER_CLIENT, GUARD)))
    assert f"{CLIENT} and {OTHER_CLIENT} are both private" in told


def test_without_a_private_address_the_commonest_is_suggested() -> None:
    assert sentence(a=talk(("8.8.8.8", GUARD), (GUARD, "9.9.9.9"))).endswith(f"--client {GUARD}")
    assert sentence(a=read_capture(pcap([]))) == "No IP packet was found in these captures."


def test_traffic_of_a_host_with_itself_counts_once() -> None:
    assert found(a=talk(("127.0.0.1", "127.0.0.1"), each=3)) == {"a": "127.0.0.1"}


def test_signs_times_and_what_is_left_out() -> None:
    frames = [
        Frame(1_000_000, ethernet(ip("8.8.8.8", GUARD, tcp(5)))),
        Frame(1_500_000, ethernet(ip(CLIENT, GUARD, tcp(500)))),
        Frame(1_750_001, ethernet(ip(GUARD, CLIENT, tcp(0, ACK)))),
        Frame(1_800_002, ethernet(ip(GUARD, CLIENT, tcp(1000)))),
        Frame(1_700_000, ethernet(ip(CLIENT6, GUARD6, tcp(7)))),
        Frame(1_900_000, ethernet(ip("8.8.8.8", GUARD, tcp(0, ACK)))),
    ]
    capture = read_capture(pcap(frames))
    clients = [ipaddress.ip_address(CLIENT), ipaddress.ip_address(CLIENT6)]
    trace = as_seen_by(clients, capture)
    assert trace.size.tolist() == [552, -1052, 79]
    assert trace.time_us.tolist() == [0, 300_002, 200_000]
    assert (trace.foreign, trace.acks) == (2, 1)
    assert (trace.size.dtype, trace.time_us.dtype) == (np.int32, np.int64)
    with_acks = as_seen_by(clients[:1], capture, with_acks=True)
    assert with_acks.size.tolist() == [552, -52, -1052]
    assert (with_acks.foreign, with_acks.acks) == (3, 0)


def test_nanoseconds_are_rounded_to_microseconds() -> None:
    frames = [Frame(time_us, ethernet(ip(CLIENT, GUARD, tcp(1)))) for time_us in (0, 1, 2, 3)]
    data = bytearray(pcap(frames, tick_ns=1))
    for number, nanoseconds in enumerate((100, 599, 600, 1600)):
        at = 24 + number * (16 + len(frames[0].data)) + 4
        data[at : at + 4] = nanoseconds.to_bytes(4, "little")
    trace = as_seen_by([ipaddress.ip_address(CLIENT)], read_capture(bytes(data)))
    assert trace.time_us.tolist() == [0, 0, 1, 2]


def test_nothing_is_of_a_client_that_is_not_there() -> None:
    trace = as_seen_by([ipaddress.ip_address(OTHER_CLIENT)], read_capture(pcap(visit(4))))
    assert (len(trace.size), len(trace.time_us), trace.foreign) == (0, 0, 4)
    assert len(as_seen_by([], read_capture(pcap([]))).size) == 0

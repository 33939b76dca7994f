"""S7: what a client says of itself in headers counts only where a listed proxy has said it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.databases import SECRET
from srs.errors import InputError
from srs.server.config import Networks, read_config
from srs.server.web.arrivals import BEGAN_S, HELD_MAX_S, Arrivals

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LISTED: Networks = (ip_network("10.0.0.0/8"), ip_network("::1"))
CAME_S = 5000.0


def seen_from(peer: str, proxies: Networks = LISTED, time_header: str = "X-Request-Time", **headers: str) -> Any:
    """What the application sees of a request: who sent it, scheme, host, and how long ago it began."""
    seen: WSGIEnvironment = {}

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.update(environ)
        return []

    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "inside", BEGAN_S: CAME_S}
    environ |= {f"HTTP_{name}": value for name, value in headers.items()}
    Arrivals(application, proxies, time_header)(environ, lambda *_: print)
    return seen["REMOTE_ADDR"], seen["wsgi.url_scheme"], seen["HTTP_HOST"], CAME_S - seen[BEGAN_S]


FORGED = {
    "X_FORWARDED_FOR": "198.51.100.7",
    "X_FORWARDED_PROTO": "https",
    "X_FORWARDED_HOST": "outside",
    "X_REQUEST_TIME": "600",
    "X_REAL_IP": "198.51.100.7",
    "FORWARDED": "for=198.51.100.7;proto=https",
}


@pytest.mark.parametrize("peer", ["198.51.100.1", "11.0.0.1", "::2", "", "unix"])
def test_forged_headers_change_nothing(peer: str) -> None:
    assert seen_from(peer, **FORGED) == (peer, "http", "inside", 0.0)


def test_without_a_list_nobody_is_believed() -> None:
    assert seen_from("127.0.0.1", (), **FORGED) == ("127.0.0.1", "http", "inside", 0.0)


@pytest.mark.parametrize("peer", ["10.1.2.3", "::1", "::ffff:10.1.2.3"])
def test_a_listed_proxy_is_believed(peer: str) -> None:
    assert seen_from(peer, **FORGED) == ("198.51.100.7", "https", "inside", 600.0)


@pytest.mark.parametrize(
    ("hops", "sender"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("1.2.3.4, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.5.5.5, 10.9.9.9", "10.5.5.5"),
        ("1.2.3.4, not an address", "10.1.2.3"),
        ("", "10.1.2.3"),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_sender_is_the_last_who_is_no_proxy_of_ours(hops: str, sender: str) -> None:
    assert seen_from("10.1.2.3", X_FORWARDED_FOR=hops)[0] == sender


@pytest.mark.parametrize(
    ("told", "held_s"),
    [("0.000", 0.0), ("3.503", 3.503), ("7", 7.0), (f"{HELD_MAX_S + 1:.3f}", 0.0)]
    + [(text, 0.0) for text in ("", "-1", "1e3", "nan", "inf", "1,600", "0.1, 600", "1.2.3", ".", "²", "٣", "1_0")],
)
def test_a_time_is_a_number_of_seconds_within_an_hour(told: str, held_s: float) -> None:
    assert seen_from("10.1.2.3", X_REQUEST_TIME=told)[3] == pytest.approx(held_s)


def test_times_are_believed_only_in_the_header_that_is_named() -> None:
    assert seen_from("10.1.2.3", time_header="", X_REQUEST_TIME="600")[3] == 0.0
    assert seen_from("10.1.2.3", time_header="X-Held", X_REQUEST_TIME="600", X_HELD="2")[3] == 2.0


def test_the_list_is_read_from_the_settings() -> None:
    settings = {"SRS_SECRET_KEY": SECRET, "SRS_PROXIES": "127.0.0.1, 10.0.0.0/8,::1"}
    assert [str(network) for network in read_config(settings).proxies] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    assert read_config({"SRS_SECRET_KEY": SECRET}).proxies == ()


@pytest.mark.parametrize("text", ["1", "proxy.example.org", "10.0.0.1/8", "127.0.0.1 10.0.0.1"])
def test_a_list_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="SRS_PROXIES"):
        read_config({"SRS_SECRET_KEY": SECRET, "SRS_PROXIES": text})

"""Where a request comes from and when it began, as far as the proxies before this server are to be believed.

A client can send any header. What ``X-Forwarded-*`` and the header with the request's time say counts only on a
connection from a proxy that the operator has listed (``SRS_PROXIES``). They pass ``Host`` on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from srs.server.config import Networks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BEGAN_S = "srs.began_s"
"""In the WSGI environment: the reading of ``time.monotonic()`` when the first byte of the request had come."""
HELD_MAX_S = 3600.0
"""The longest that a proxy is believed to have held a request."""


class Arrivals:
    """WSGI middleware: sets ``REMOTE_ADDR``, scheme and ``BEGAN_S`` as they were where people connect.

    The server's worker has set ``BEGAN_S`` for this machine; elsewhere it is the moment at which the request gets here.
    """

    def __init__(self, app: WSGIApplication, proxies: Networks, time_header: str) -> None:
        self.app = app
        self._proxies = proxies
        self._time_key = "HTTP_" + time_header.upper().replace("-", "_") if time_header else ""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ.setdefault(BEGAN_S, time.monotonic())
        if self._is_listed(environ.get("REMOTE_ADDR", "")):
            self._believe(environ)
        return self.app(environ, start_response)

    def _believe(self, environ: WSGIEnvironment) -> None:
        environ["REMOTE_ADDR"] = self._sender(environ["REMOTE_ADDR"], _values(environ, "HTTP_X_FORWARDED_FOR"))
        for scheme in _values(environ, "HTTP_X_FORWARDED_PROTO")[-1:]:
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        environ[BEGAN_S] -= _seconds(environ.get(self._time_key, ""))

    def _sender(self, peer: str, hops: list[str]) -> str:
        """Each proxy appends whom it heard the request from: the last who is not one of ours is the sender."""
        sender = peer
        for hop in reversed(hops):
            if not (self._is_listed(sender) and _address(hop)):
                break
            sender = hop
        return sender

    def _is_listed(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._proxies)


def _values(environ: WSGIEnvironment, key: str) -> list[str]:
    return [value.strip() for value in environ.get(key, "").split(",") if value.strip()]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address  # a socket for both families shows ::ffff:127.0.0.1


def _seconds(text: str) -> float:
    """A number of seconds with digits alone, such as nginx's ``3.503``; 0 for anything else."""
    is_number = text.replace(".", "", 1).isdecimal() and text.isascii()
    return seconds if is_number and (seconds := float(text)) <= HELD_MAX_S else 0.0

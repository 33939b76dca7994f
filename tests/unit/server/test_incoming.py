"""When a request that is on its way can be given to a thread: nothing of it is parsed here, only waited for."""

from __future__ import annotations

import time

import pytest

from srs.server.cli.incoming import HEAD_MAX_BYTES, HEAD_S, SHORT_BODY_S, STOPPING_S, Incoming

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: a", *lines, b"", b""])


@pytest.mark.parametrize(
    ("request_bytes", "is_long"),
    [
        (GET, False),
        (GET + b"GET /next HTTP/1.1\r\n", False),
        (post(b"Content-Length: 3") + b"abc", False),
        (post(b"content-LENGTH:\t65536 ") + bytes(65536), False),
        (post(b"Content-Length: 65537"), True),
        (post(b"Content-Length: 3", b"Expect: 100-continue"), True),
        (post(b"Transfer-Encoding: chunked"), True),
        (post(b"Content-Length: 3", b"Content-Length: 4"), True),
        (post(b"Content-Length: three"), True),
        (post(b"Content-Length : 3"), True),
        (post(b"Content-Length: " + b"9" * 19), True),
        (b"\r\n\r\n", False),
    ],
)
def test_it_is_ready_with_its_last_byte_and_not_before(request_bytes: bytes, is_long: bool) -> None:
    at_once, in_bytes = Incoming(), Incoming()
    at_once.add(request_bytes)
    needed_bytes = len(request_bytes) if b"/next" not in request_bytes else len(GET)
    for byte in request_bytes[: needed_bytes - 1]:
        in_bytes.add(bytes([byte]))
        assert not in_bytes.is_ready
    in_bytes.add(request_bytes[needed_bytes - 1 :])
    for incoming in (at_once, in_bytes):
        assert (incoming.is_ready, incoming.is_long) == (True, is_long)
        assert bytes(incoming.data) == request_bytes


def test_it_began_with_its_first_byte() -> None:
    incoming = Incoming()
    opened_s = time.monotonic()
    while time.monotonic() == opened_s:
        pass
    incoming.add(b"G")
    began_s = incoming.began_s
    assert opened_s < began_s <= time.monotonic()
    incoming.add(GET[1:])
    assert incoming.began_s == began_s


def test_patience_for_each_part_and_for_a_process_that_ends() -> None:
    now_s = time.monotonic()
    silent, begun, headed = Incoming(), Incoming(), Incoming()
    begun.add(b"G")
    headed.add(post(b"Content-Length: 3"))
    late_after_s = {"silent": HEAD_S, "begun": HEAD_S, "headed": SHORT_BODY_S}
    for name, incoming in (("silent", silent), ("begun", begun), ("headed", headed)):
        assert not incoming.is_late(now_s + late_after_s[name] - 1, stopping=False)
        assert incoming.is_late(now_s + late_after_s[name] + 1, stopping=False)
    assert silent.is_late(now_s + STOPPING_S + 1, stopping=True)
    assert not begun.is_late(now_s + STOPPING_S + 1, stopping=True)


def test_a_head_without_end_is_too_large() -> None:
    incoming = Incoming()
    incoming.add(b"x" * HEAD_MAX_BYTES)
    assert not incoming.is_too_large
    incoming.add(b"x")
    assert incoming.is_too_large

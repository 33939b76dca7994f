"""A request that is on its way: what of it has come, when it began, and when a thread can serve it.

This decides only how long to wait and in which kind of thread; what the bytes mean is gunicorn's parser's to say.
"""

from __future__ import annotations

import re
import time

from srs.server.web.bodies import BODY_MAX_BYTES

HEAD_S = 10.0
"""How long a head may take, from the opening of its connection; one that is kept alive gives the next head as long."""
SHORT_BODY_S = 20.0
"""How long a short body may take, from the end of its head."""
HEAD_MAX_BYTES = 32 * 1024
STOPPING_S = 2.0
"""How long a connection on which nothing has come may hold up a process that is ending."""

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)")
FRAMING = re.compile(rb"content-length|transfer-encoding|\r\nexpect")


class Incoming:
    """The next request of one connection. Seconds are those of ``time.monotonic()``."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_long = False
        """Whether a thread must read the rest: a body that is longer than a form, of untold length, or asked for."""
        self.began_s = self._opened_s = time.monotonic()
        """When its first byte had come."""
        self._ends_s = self._opened_s + HEAD_S
        self._needed_bytes: int | None = None  # unknown until the head is whole

    def add(self, data: bytes) -> None:
        """Append what has come."""
        if not self.data:
            self.began_s = time.monotonic()
        searched = max(0, len(self.data) - len(HEAD_END) + 1)
        self.data += data
        if self._needed_bytes is None and (end := self.data.find(HEAD_END, searched)) >= 0:
            self._plan(end + len(HEAD_END))

    def _plan(self, head_bytes: int) -> None:
        """The head is whole: what else is to be waited for?"""
        head = bytes(self.data[:head_bytes]).lower()
        lengths = LENGTH.findall(head)
        body_bytes = int(lengths[0]) if lengths else 0
        is_plain = len(lengths) <= 1 and len(FRAMING.findall(head)) == len(lengths)
        self.is_long = not is_plain or body_bytes > BODY_MAX_BYTES
        self._needed_bytes = head_bytes + (0 if self.is_long else body_bytes)
        self._ends_s = time.monotonic() + SHORT_BODY_S

    @property
    def is_ready(self) -> bool:
        """Whether a thread can go on without waiting: it is whole, or it is long and its head is whole."""
        return self._needed_bytes is not None and len(self.data) >= self._needed_bytes

    @property
    def is_too_large(self) -> bool:
        """Whether the head has no end within the limit."""
        return self._needed_bytes is None and len(self.data) > HEAD_MAX_BYTES

    def is_late(self, now_s: float, *, stopping: bool) -> bool:
        """Whether patience is over."""
        ends_s = self._opened_s + STOPPING_S if stopping and not self.data else self._ends_s
        return now_s >= ends_s

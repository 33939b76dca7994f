"""Request bodies that come too slowly are ended, so that they cannot hold every thread of the server.

A read from a blocking socket has no end of its own. While a body is being read a timer runs; when it fires, the
reading half of the connection is shut, the read returns, and the request is answered with 408.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import RequestTimeout

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BODY_MAX_BYTES = 64 * 1024
"""The most that a form without a file may send; ``safety.LONGER_BODIES`` names the exceptions."""
GRACE_S = 20.0
SLOWEST_BYTES_PER_S = 50_000


class PatientBodies:
    """WSGI middleware: a body has ``grace_s`` seconds, and one more for each ``slowest_bytes_per_s`` that came."""

    def __init__(
        self, app: WSGIApplication, grace_s: float = GRACE_S, slowest_bytes_per_s: float = SLOWEST_BYTES_PER_S
    ) -> None:
        self.app = app
        self.grace_s = grace_s
        self.slowest_bytes_per_s = slowest_bytes_per_s

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, its body watched."""
        connection: socket.socket | None = environ.get("gunicorn.socket")
        if connection is None or environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS"):
            return self.app(environ, start_response)
        body = _TimedBody(environ["wsgi.input"], connection, self.grace_s, self.slowest_bytes_per_s)
        environ["wsgi.input"] = body
        try:
            return self.app(environ, start_response)
        finally:
            body.stop()


class _TimedBody:
    """``wsgi.input`` with a deadline that begins with the first read and moves with what has really come."""

    def __init__(self, stream: Any, connection: socket.socket, grace_s: float, slowest_bytes_per_s: float) -> None:
        self._stream = stream
        self._connection = connection
        self._grace_s = grace_s
        self._slowest_bytes_per_s = slowest_bytes_per_s
        self._received_bytes = 0
        self._began = 0.0
        self._timer: threading.Timer | None = None
        self._is_over = False
        self._is_late = False

    def read(self, size: int = -1) -> bytes:
        return self._read(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._read(self._stream.readline, size)

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self._timer is None:
            self._began = time.monotonic()
            self._wake_after(self._grace_s)
        data = read(size)
        self._received_bytes += len(data)
        if self._is_late:
            raise RequestTimeout
        if not data:
            self.stop()
        return data

    def stop(self) -> None:
        """No more reading: the timer must not touch the next request of this connection."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()

    def _wake_after(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        """End a body that is behind; otherwise look again when it would be."""
        allowed_s = self._grace_s + self._received_bytes / self._slowest_bytes_per_s
        left_s = self._began + allowed_s - time.monotonic()
        if self._is_over:
            return
        if left_s > 0:
            self._wake_after(left_s)
            return
        self._is_late = True
        with contextlib.suppress(OSError):  # the client has gone by itself
            self._connection.shutdown(socket.SHUT_RD)

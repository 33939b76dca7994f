"""Gunicorn's threaded worker with an end to its patience: a head that does not come whole frees its thread.

Gunicorn waits for the rest of a request's head as long as the client likes, and a few dozen such clients would
hold every thread. (Bodies have their own patience, ``web/bodies.py``.)
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

HEAD_S = 10.0


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """Gives the head of each request ``HEAD_S`` seconds."""

    def handle(self, conn: Any) -> Any:
        """Read a head and answer it; when it is late the reading half of the connection is shut."""
        conn.head_timer = threading.Timer(HEAD_S, _shut, (conn.sock,))
        conn.head_timer.daemon = True
        conn.head_timer.start()
        try:
            return super().handle(conn)
        finally:
            conn.head_timer.cancel()

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The head is there: answer it without hurry."""
        conn.head_timer.cancel()
        return super().handle_request(req, conn)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client has gone by itself
        connection.shutdown(socket.SHUT_RD)

"""Gunicorn's threaded worker, with no thread for a client that is slow to ask.

Heads, and bodies as short as a form's, are read by the main loop as they come; a thread gets a request when it is whole
and cannot read from the connection at all. Long bodies (uploads) are read by threads of their own, so that the pages
keep theirs however slowly files come; ``web/bodies.py`` ends those that are too slow. What is guaranteed and what is
not is in docs/decisions/0007-slow-clients.md.

A worker whose master was killed ends when its requests are answered, and in time where they never are (``orphans.py``).
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from srs.server.cli.incoming import Incoming
from srs.server.cli.orphans import end_with_parent
from srs.server.web.arrivals import BEGAN_S

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY_THREADS = 32
"""Long bodies that a process reads at once; more of them wait, and count from their first byte all the same."""
READ_BYTES = 64 * 1024
UNTAKEN_S = 30.0
"""A client that takes nothing of an answer for so long is gone."""
LINGER_S = 2.0
LINGER_MAX_BYTES = 64 * 1024


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """Serves ``cfg.threads`` requests at once, and ``BODY_THREADS`` with a long body besides.

    All methods but ``handle_request`` and what it calls run in the main thread, as gunicorn's do.
    """

    wsgi: Any

    def init_process(self) -> None:
        """Set up in the process of its own, then serve until the end."""
        self._incoming: dict[Any, Incoming] = {}  # oldest first
        self._lingering: dict[Any, tuple[float, int]] = {}  # until when, how many bytes more
        self._body_threads = ThreadPoolExecutor(BODY_THREADS, "body")
        self._served = threading.local()
        super().init_process()

    def init_signals(self) -> None:
        """The end of the master is a SIGTERM, too."""
        super().init_signals()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends the process even where a thread hangs
        end_with_parent(self.ppid)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End in good order, and in time."""
        signal.alarm(int(self.cfg.graceful_timeout))
        super().handle_exit(sig, frame)

    def load_wsgi(self) -> None:
        """Tell the application when each request began."""
        super().load_wsgi()
        pages = self.wsgi

        def with_its_beginning(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ[BEGAN_S] = self._served.began_s
            answer: Iterable[bytes] = pages(environ, start_response)
            return answer

        self.wsgi = with_its_beginning

    def accept(self, listener: Any) -> None:
        """Take a new connection; where there are too many, in place of one that has its answer or is slowest to ask."""
        waiting = self._lingering or self._incoming
        if self.nr_conns >= self.worker_connections - 1 and waiting:
            self._drop(next(iter(waiting)))
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """A connection is new, or may have another request: wait for a whole one."""
        conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNTAKEN_S * 1000))
        read_ahead = conn.parser.unreader.take_buffered() if conn.parser else b""
        conn.sock.setblocking(False)
        self._incoming[conn] = Incoming()
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read_on, conn))
        if read_ahead:
            self._take(conn, read_ahead)

    def _read_on(self, conn: Any, _socket: Any) -> None:
        # Another one may have taken its place in this very turn of the loop.
        data = _received(conn.sock) if conn in self._incoming else None
        if data:
            self._take(conn, data)
        elif data is not None:
            self._drop(conn)

    def _take(self, conn: Any, data: bytes) -> None:
        incoming = self._incoming[conn]
        incoming.add(data)
        if incoming.is_ready:
            self._hand_over(conn)
        elif incoming.is_too_large:
            self._refuse(conn, 431, "Request Header Fields Too Large")

    def _hand_over(self, conn: Any) -> None:
        """Give a request to a thread."""
        incoming = self._incoming.pop(conn)
        self.poller.unregister(conn.sock)
        conn.began_s, conn.is_long, conn.data_ready = incoming.began_s, incoming.is_long, True
        data = bytes(incoming.data)
        conn.parser = get_parser(self.cfg, conn.sock if incoming.is_long else [data], conn.client)
        if incoming.is_long:
            conn.parser.unreader.unread(data)
        threads = self._body_threads if incoming.is_long else self.tpool
        threads.submit(self.handle, conn).add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer one request, in a thread."""
        self._served.began_s = conn.began_s
        if conn.is_long:
            req.force_close()  # how much of its body is still to come is not worth finding out
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """A request is answered: keep the connection, or close it without waiting for the client here."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._linger(conn)

    def _linger(self, conn: Any) -> None:
        """Close so that the answer arrives: a moment longer, what still comes is read and forgotten (RFC 9112, 9.6)."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._forget, conn))
        except (OSError, ValueError):  # the client has gone by itself
            self._close(conn)
        else:
            self._lingering[conn] = time.monotonic() + LINGER_S, LINGER_MAX_BYTES

    def _forget(self, conn: Any, _socket: Any) -> None:
        data = _received(conn.sock) if conn in self._lingering else None
        if data is None:
            return
        until_s, left_bytes = self._lingering[conn]
        self._lingering[conn] = until_s, left_bytes - len(data)
        if not data or left_bytes <= len(data):
            self._drop(conn)

    def murder_pending(self) -> None:
        """Look, at least once a second, whose patience is over."""
        now_s = time.monotonic()
        for conn, incoming in list(self._incoming.items()):
            if incoming.is_late(now_s, stopping=not self.alive):
                self._refuse(conn, 408, "Request Timeout") if incoming.data else self._drop(conn)
        for conn, (until_s, _) in list(self._lingering.items()):
            if now_s >= until_s:
                self._drop(conn)

    def _refuse(self, conn: Any, status: int, reason: str) -> None:
        with contextlib.suppress(OSError):  # the client has gone by itself
            util.write_error(conn.sock, status, reason, "")
        del self._incoming[conn]
        self.poller.unregister(conn.sock)
        self._linger(conn)

    def _drop(self, conn: Any) -> None:
        """End a connection that is waited for."""
        self._incoming.pop(conn, None)
        self._lingering.pop(conn, None)
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()


def _received(connection: socket.socket) -> bytes | None:
    """What has come; empty when the client has gone, ``None`` when nothing has come after all."""
    try:
        return connection.recv(READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""

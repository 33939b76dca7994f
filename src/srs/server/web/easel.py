"""Drawings under way, each in a thread behind the requests that wait for it.

A drawing goes on when nobody waits for it any more: where the machine is busy, the next look finds it drawn. A web
process has few threads for requests, so not all of them may wait long, and only so many drawings are begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock, Thread
from typing import Final

from srs.server.web.artist import Late

WAIT_MAX_S: Final = 15.0
HURRIED_WAIT_MAX_S: Final = 1.0
"""How long a request waits where ``PATIENT_MAX`` others wait already."""
PATIENT_MAX: Final = 4
"""Half of the threads that a web process has for requests."""
UNDER_WAY_MAX: Final = 32


class Easel:
    """The drawings of one process, by key; two requests for one key wait for the same drawing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way: dict[str, Future[str]] = {}
        self._patience = BoundedSemaphore(PATIENT_MAX)

    def drawn(self, key: str, draw: Callable[[], str]) -> str:
        """What ``draw`` makes, or raises. Raises ``Late`` where it takes too long, or too many are under way."""
        with self._waiting() as patience_s:
            drawing = self._begun(key, draw)
            try:
                return drawing.result(patience_s)
            except TimeoutError as error:
                raise Late from error

    @contextmanager
    def _waiting(self) -> Iterator[float]:
        is_patient = self._patience.acquire(blocking=False)
        try:
            yield WAIT_MAX_S if is_patient else HURRIED_WAIT_MAX_S
        finally:
            if is_patient:
                self._patience.release()

    def _begun(self, key: str, draw: Callable[[], str]) -> Future[str]:
        with self._lock:
            drawing = self._under_way.get(key)
            if drawing is None:
                if len(self._under_way) >= UNDER_WAY_MAX:
                    raise Late
                drawing = Future()
                # A daemon: the end of the process waits for no drawing.
                Thread(target=self._work, args=(key, draw, drawing), name="drawing", daemon=True).start()
                self._under_way[key] = drawing
            return drawing

    def _work(self, key: str, draw: Callable[[], str], drawing: Future[str]) -> None:
        try:
            drawing.set_result(draw())
        except Exception as error:  # noqa: BLE001  (whatever it was, it belongs to whoever waits)
            drawing.set_exception(error)
        with self._lock:
            del self._under_way[key]

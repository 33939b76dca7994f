"""What must be done again and again, by whoever notices first: sweep jobs, advance rounds, tell, send mail, clean up.

Any number of processes may tend one installation; each duty is safe against the others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from srs.server.bootstrap import Server
from srs.server.services.jobs import sweep
from srs.server.services.limits import sweep_tallies
from srs.server.services.mail import deliverer, send_due_mail
from srs.server.services.practice import ask_the_house
from srs.server.services.reminders import announce
from srs.server.services.rounds import advance
from srs.server.services.storage import sweep_blobs
from srs.server.worker.folders import remove_left

CLEAN_S = 3600.0

_log = logging.getLogger(__name__)


def tend_until(server: Server, asked: Event) -> None:
    """Do every duty each ``sweep_s`` seconds, and clean up each hour, until the end is asked for."""
    clean_at = time.monotonic()
    while not asked.wait(server.config.sweep_s):
        tend_once(server)
        if time.monotonic() >= clean_at:
            clean_at = time.monotonic() + CLEAN_S
            clean_up(server)


def tend_once(server: Server) -> None:
    """Do every duty once; the trouble of one does not keep the others from being done."""
    for duty in (_sweep, _ask_the_house, _advance, _announce, _send_mail):
        _in_peace(server, duty)


def clean_up(server: Server) -> None:
    """Remove what nothing refers to any more, once it is an hour old."""
    for duty in (_sweep_blobs, _remove_left_folders, _sweep_tallies):
        _in_peace(server, duty)


def _sweep_blobs(server: Server) -> None:
    sweep_blobs(server.store)


def _remove_left_folders(server: Server) -> None:
    remove_left(server.store, server.config.data)


def _sweep_tallies(server: Server) -> None:
    sweep_tallies(server.store)


def _sweep(server: Server) -> None:
    sweep(server.store, server.bell, server.config.crashes_max)


def _ask_the_house(server: Server) -> None:
    ask_the_house(server.store, server.bell)


def _advance(server: Server) -> None:
    advance(server.store, server.bell)


def _announce(server: Server) -> None:
    announce(server.store)


def _send_mail(server: Server) -> None:
    send_due_mail(server.store, server.config, deliverer(server.config))


def _in_peace(server: Server, duty: Callable[[Server], None]) -> None:
    try:
        duty(server)
    except Exception:  # noqa: BLE001  (a tender that ends with its first trouble would lose the rest)
        _log.exception("%s", duty.__name__.lstrip("_"))

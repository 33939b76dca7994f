"""What keeps a part of a site from outliving those who would see to its end."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading

from srs.server.worker.confine import PR_SET_PDEATHSIG


def end_with_parent(parent: int, end: signal.Signals = signal.SIGTERM) -> None:
    """Let the kernel send ``end`` to this process when ``parent``, which forked it, is gone; at once, if it is."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, end, 0, 0, 0)
    if os.getppid() != parent:  # before the kernel was asked
        os.kill(os.getpid(), end)


def end_with_supervisor() -> None:
    """Send SIGTERM to this process when the one that asked the fork server for it is gone."""
    threading.Thread(target=_wait_for_supervisor, name="supervisor", daemon=True).start()


def _wait_for_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None  # noqa: S101
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)

"""The verdict on a file that ends the process that reads it, on the server as on one's own machine."""

from __future__ import annotations

import signal

from srs.traces.report import Problem, Report

FAULTS = frozenset(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE")
    if hasattr(signal, name)  # not all of them everywhere
)
"""Signals that a process brings upon itself: its libraries met something that they did not expect."""


def fault(status: int) -> str | None:
    """The fault that ended a process, from its return code (negative for a signal); ``None`` for any other end."""
    return signal.Signals(-status).name if status < 0 and -status in FAULTS else None


def damaged(fault: str) -> Report:
    """What its team is told."""
    sentence = f"The file is damaged: reading it ended the program that reads it ({fault})."
    return Report(problems=(Problem("file.damaged", sentence),))

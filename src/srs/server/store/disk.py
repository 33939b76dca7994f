"""The file system under an installation, as it sees itself."""

from __future__ import annotations

import os
from pathlib import Path


def clock_of(folder: Path) -> float:
    """The moment by the clock that dates the files of a folder, in seconds as ``st_mtime`` has them.

    How old a file is only this clock can say: that of a file server, or of this machine before it was set right, may
    be hours away from the one that a process reads.
    """
    os.utime(folder)  # the kernel dates it; unlike a new file it needs no room
    return folder.stat().st_mtime


def sync_folder(folder: Path) -> None:
    """Make what was renamed or made in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

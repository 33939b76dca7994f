"""The disk under an installation: what its trouble is for whoever meets it, its room, and its own clock."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from srs.errors import Unavailable

PROBE_BYTES = 1 << 16
HINT = "Please try again later; the staff can tell the operators."


@contextmanager
def told() -> Iterator[None]:
    """Let an ``OSError`` of the block be ``Unavailable``: trouble of ours, which passes, and nobody's mistake."""
    try:
        yield
    except OSError as error:
        raise _told(error) from error


def _told(error: OSError) -> Unavailable:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return Unavailable("storage.full", "The server has no room for files at the moment.", hint=HINT)
        case errno.EROFS:
            return Unavailable("storage.read-only", "The server cannot write files at the moment.", hint=HINT)
        case _:
            return Unavailable("storage.away", "The server cannot reach its files at the moment.", hint=HINT)


def require_room(folder: Path, reserve_bytes: float) -> None:
    """Raise ``Unavailable`` where nothing new is to be begun: less than the reserve is free, or nothing is written."""
    with told():
        found = os.statvfs(folder)
        if found.f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
        free_bytes = found.f_bavail * found.f_frsize
        if free_bytes < reserve_bytes:
            what = f"{free_bytes / 1e6:.0f} MB are free, of which {reserve_bytes / 1e6:.0f} are kept in reserve"
            raise OSError(errno.ENOSPC, what, str(folder))


def require_writable(folder: Path) -> None:
    """Raise ``Unavailable`` where a small file cannot be written."""
    with told(), TemporaryFile(dir=folder) as file:
        file.write(bytes(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


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

"""The folder in which one attempt is judged: it bears the attempt's numbers, so whoever finds it knows whose it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from srs.server.bootstrap import Server
from srs.server.services.jobs import Claim, is_under_way
from srs.server.services.storage import LEFT_S
from srs.server.store.disk import clock_of, require_room, require_writable, told
from srs.server.store.engine import Store

_NUMBERS = re.compile(r"(?P<job_id>\d{1,18})-(?P<attempt>\d{1,9})-")


@contextmanager
def folder_of(claim: Claim, data: Path) -> Iterator[Path]:
    """A fresh folder beside the blobs, gone after the block. Raises ``Unavailable`` where none can be made."""
    prefix = f"{claim.job_id}-{claim.attempt}-"
    with told():
        made = TemporaryDirectory(dir=_work(data), prefix=prefix, ignore_cleanup_errors=True)
    with made as folder:
        yield Path(folder)


def require_storage(server: Server) -> None:
    """Raise ``Unavailable`` where no judgement should begin: a disk is missing, read-only, or has no room to spare."""
    server.store.blobs.require_room()
    with told():
        work = _work(server.config.data)
    require_room(work, server.store.blobs.reserve_bytes)


def require_good_storage(server: Server) -> None:
    """The same after a failure, while its folder is there still: raise ``Unavailable`` where the disk is to blame."""
    require_storage(server)
    require_writable(_work(server.config.data))


def remove_left(store: Store, data: Path) -> None:
    """Remove what killed workers have left, once it is an hour old and its attempt holds no job any more."""
    with told():
        work = _work(data)
        before = clock_of(work) - LEFT_S
    for folder in _unchanged_since(work, before):
        if not _is_of_somebody(store, folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _work(data: Path) -> Path:
    work = data / "work"
    work.mkdir(exist_ok=True)
    return work


def _unchanged_since(work: Path, before: float) -> Iterator[Path]:
    for folder in work.iterdir():
        try:
            if folder.stat().st_mtime < before:
                yield folder
        except FileNotFoundError:  # its judgement has ended meanwhile
            continue


def _is_of_somebody(store: Store, name: str) -> bool:
    numbers = _NUMBERS.match(name)
    return numbers is not None and is_under_way(store, int(numbers["job_id"]), int(numbers["attempt"]))

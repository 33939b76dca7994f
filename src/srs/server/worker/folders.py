"""The folder in which one attempt is judged: it bears the attempt's numbers, so whoever finds it knows whose it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from srs.server.services.jobs import Claim, is_under_way
from srs.server.services.storage import LEFT_S
from srs.server.store.disk import clock_of
from srs.server.store.engine import Store

_NUMBERS = re.compile(r"(?P<job_id>\d{1,18})-(?P<attempt>\d{1,9})-")


@contextmanager
def folder_of(claim: Claim, data: Path) -> Iterator[Path]:
    """A fresh folder beside the blobs, gone after the block."""
    work = data / "work"
    work.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=work, prefix=f"{claim.job_id}-{claim.attempt}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def remove_left(store: Store, data: Path) -> None:
    """Remove what killed workers have left, once it is an hour old and its attempt holds no job any more."""
    work = data / "work"
    if not work.is_dir():
        return
    before = clock_of(work) - LEFT_S
    for folder in _unchanged_since(work, before):
        if not _is_of_somebody(store, folder.name):
            shutil.rmtree(folder, ignore_errors=True)


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

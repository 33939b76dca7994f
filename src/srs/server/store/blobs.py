"""Files by their SHA-256, immutable, on disk: written to a temporary name, synced, then renamed."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from srs.errors import FileError, NotFound, Unavailable
from srs.server.store.disk import clock_of, require_room, sync_folder, told

CHUNK_BYTES = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Blob:
    """What was stored: its name (SHA-256 in hex) and its size."""

    sha256: str
    size_bytes: int


class Blobs:
    """A folder of blobs; several machines may share it.

    ``is_new`` says whether an installation has no blobs yet: only then the folder is made. Where it is missing later,
    so is its disk, and what was written meanwhile would lie hidden under it. All trouble of the disk is
    ``Unavailable``.
    """

    def __init__(self, root: Path, reserve_bytes: float, is_new: Callable[[], bool]) -> None:
        self.root = root
        self.reserve_bytes = reserve_bytes
        self._is_new = is_new
        self._unfinished = root / "tmp"

    def require_room(self) -> None:
        """Raise ``Unavailable`` where no more files should be received: less than the reserve is free."""
        self._require_folder()
        require_room(self.root, self.reserve_bytes)

    def path(self, sha256: str) -> Path:
        """Where a blob lies. Raises ``NotFound`` for anything that is not a stored blob's name."""
        if not SHA256.fullmatch(sha256) or self.missing([sha256]):
            raise NotFound("blob.unknown", "There is no such file.")
        return self._place(sha256)

    def receive(self, read: Callable[[int], bytes], max_bytes: int) -> Blob:
        """Store a stream, counting and hashing on the way; more than ``max_bytes`` is refused and nothing kept."""
        digest, size_bytes = hashlib.sha256(), 0
        with self._temporary() as file:
            while chunk := read(CHUNK_BYTES):
                size_bytes += len(chunk)
                if size_bytes > max_bytes:
                    raise FileError(
                        "file.too-large",
                        f"The file is larger than {max_bytes / 1e6:.0f} MB, the most that is accepted.",
                        hint="Compress it (.zip, .gz or .zst), or send Parquet.",
                    )
                digest.update(chunk)
                with told():
                    file.write(chunk)
            return self._keep(file, Blob(digest.hexdigest(), size_bytes))

    def put(self, data: bytes) -> Blob:
        """Store bytes."""
        with self._temporary() as file:
            with told():
                file.write(data)
            return self._keep(file, Blob(hashlib.sha256(data).hexdigest(), len(data)))

    def adopt(self, path: Path) -> Blob:
        """Store a copy of a file."""
        with path.open("rb") as source:
            return self.receive(source.read, max_bytes=1 << 50)

    def missing(self, sha256s: Iterable[str]) -> list[str]:
        """Those that are not stored."""
        with told():
            missing = [sha256 for sha256 in sha256s if not self._place(sha256).exists()]
        if missing:
            self._require_folder()
        return missing

    def require(self, blobs: Iterable[Blob]) -> None:
        """Raise ``Unavailable`` where one is gone. To be asked in the transaction that names them (``Store.alone``)."""
        if self.missing(blob.sha256 for blob in blobs):
            raise Unavailable(
                "storage.gone", "The file was removed before it was written down.", hint="Please send it again."
            )

    def clock(self) -> float:
        """The moment by the clock that says how old these files are."""
        self._require_folder()
        with told():
            return clock_of(self._unfinished)

    def unchanged_since(self, before: float) -> set[str]:
        """The blobs that were stored before a moment of ``clock``, and not anew since."""
        return {path.name for path in self.root.glob("[0-9a-f][0-9a-f]/*") if _is_older(path, before)}

    def remove(self, sha256: str, before: float = math.inf) -> bool:
        """Delete a blob, unless it was stored anew since a moment of ``clock``; whether it was there to be deleted."""
        return _remove_if_older(self._place(sha256), before)

    def remove_unfinished(self, before: float) -> int:
        """Delete what uploads that never ended have left; returns how much."""
        return sum(_remove_if_older(path, before) for path in self._unfinished.iterdir())

    def _place(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    def _require_folder(self) -> None:
        with told():
            if self._unfinished.is_dir():
                return
            if not self._is_new():
                why = "missing, though the database names blobs; is the disk mounted?"
                raise FileNotFoundError(errno.ENOENT, why, str(self._unfinished))
            self._unfinished.mkdir(parents=True, exist_ok=True)  # another process may have been quicker
            sync_folder(self.root)

    @contextmanager
    def _temporary(self) -> Iterator[BinaryIO]:
        self._require_folder()
        with told():
            file = NamedTemporaryFile(dir=self._unfinished, delete=False)  # noqa: SIM115  (trouble of the block is not its)
        try:
            yield file  # type: ignore[misc]
        finally:
            with suppress(OSError):  # what is kept is complete already, and what is not is swept
                file.close()
            with suppress(OSError):
                Path(file.name).unlink(missing_ok=True)

    def _keep(self, file: BinaryIO, blob: Blob) -> Blob:
        place = self._place(blob.sha256)
        with told():
            file.flush()
            os.fsync(file.fileno())
            if not place.parent.exists():
                place.parent.mkdir(exist_ok=True)
                sync_folder(self.root)
            # What is there already is replaced: a young file, which no sweep takes for an old one that nobody names.
            Path(file.name).replace(place)
            sync_folder(place.parent)
        return blob


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:  # an upload that was finished, or another sweep was first
        return False


def _remove_if_older(path: Path, before: float) -> bool:
    if not _is_older(path, before):
        return False
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True

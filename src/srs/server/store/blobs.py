"""Files by their SHA-256, immutable, on disk: written to a temporary name, synced, then renamed."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from srs.errors import FileError, NotFound, Unavailable
from srs.server.store.disk import clock_of, sync_folder

CHUNK_BYTES = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Blob:
    """What was stored: its name (SHA-256 in hex) and its size."""

    sha256: str
    size_bytes: int


class Blobs:
    """A folder of blobs; several machines may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        missing = {"tmp", *(f"{byte:02x}" for byte in range(256))} - {path.name for path in root.iterdir()}
        for name in missing:
            (root / name).mkdir(exist_ok=True)  # another process may have been quicker
        if missing:
            sync_folder(root)

    def path(self, sha256: str) -> Path:
        """Where a blob lies. Raises ``NotFound`` for anything that is not a stored blob's name."""
        if not SHA256.fullmatch(sha256):
            raise NotFound("blob.unknown", "There is no such file.")
        path = self._place(sha256)
        if not path.exists():
            raise NotFound("blob.unknown", "There is no such file.")
        return path

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
                file.write(chunk)
            return self._keep(file, Blob(digest.hexdigest(), size_bytes))

    def put(self, data: bytes) -> Blob:
        """Store bytes."""
        with self._temporary() as file:
            file.write(data)
            return self._keep(file, Blob(hashlib.sha256(data).hexdigest(), len(data)))

    def adopt(self, path: Path) -> Blob:
        """Store a copy of a file."""
        with path.open("rb") as source:
            return self.receive(source.read, max_bytes=1 << 50)

    def missing(self, sha256s: Iterable[str]) -> list[str]:
        """Those that are not stored."""
        return [sha256 for sha256 in sha256s if not self._place(sha256).exists()]

    def require(self, blobs: Iterable[Blob]) -> None:
        """Raise ``Unavailable`` where one is gone. To be asked in the transaction that names them (``Store.alone``)."""
        if self.missing(blob.sha256 for blob in blobs):
            raise Unavailable(
                "storage.gone", "The file was removed before it was written down.", hint="Please send it again."
            )

    def clock(self) -> float:
        """The moment by the clock that says how old these files are."""
        return clock_of(self.root / "tmp")

    def unchanged_since(self, before: float) -> set[str]:
        """The blobs that were stored before a moment of ``clock``, and not anew since."""
        return {path.name for path in self.root.glob("[0-9a-f][0-9a-f]/*") if _is_older(path, before)}

    def remove(self, sha256: str, before: float = math.inf) -> bool:
        """Delete a blob, unless it was stored anew since a moment of ``clock``; whether it was there to be deleted."""
        return _remove_if_older(self._place(sha256), before)

    def remove_unfinished(self, before: float) -> int:
        """Delete what uploads that never ended have left; returns how much."""
        return sum(_remove_if_older(path, before) for path in (self.root / "tmp").iterdir())

    def _place(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    @contextmanager
    def _temporary(self) -> Iterator[BinaryIO]:
        try:
            with NamedTemporaryFile(dir=self.root / "tmp", delete=False) as file:
                try:
                    yield file  # type: ignore[misc]
                finally:
                    Path(file.name).unlink(missing_ok=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(
                    "storage.full", "The server has no room for files at the moment.", hint="Please tell the staff."
                ) from error
            raise

    def _keep(self, file: BinaryIO, blob: Blob) -> Blob:
        file.flush()
        os.fsync(file.fileno())
        place = self._place(blob.sha256)
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

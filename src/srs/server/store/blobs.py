"""Files by their SHA-256, immutable, on disk: written to a temporary name, synced, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from srs.errors import FileError, NotFound, Unavailable

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
            _sync_folder(root)

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

    def sweep(self, referenced: Collection[str], older_than_s: float = 3600.0) -> int:
        """Delete blobs that nothing refers to and temporary files, both older than given; return how many."""
        before = time.time() - older_than_s
        unreferenced = [path for path in self.root.glob("*/*") if path.name not in referenced]
        return sum(self._delete_if_old(path, before) for path in unreferenced)

    def _delete_if_old(self, path: Path, before: float) -> bool:
        """Move the file away, look at its age only then, and put it back if it was stored anew meanwhile."""
        aside = self.root / "tmp" / f"swept-{secrets.token_hex(8)}"
        try:
            if path.stat().st_mtime >= before:
                return False
            path.rename(aside)
            if aside.stat().st_mtime >= before:
                aside.rename(path)
                return False
            aside.unlink()
        except FileNotFoundError:  # a temporary file that was finished, or another sweep was first
            return False
        return True

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
        # A blob that is there already gets a new time, so that a sweep does not take it for an old orphan.
        Path(file.name).replace(place)
        _sync_folder(place.parent)
        return blob


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""The backup of a whole installation, and the sweep of blobs that nothing refers to.

A backup is one tar file, taken while the installation runs: ``manifest.json``, one ``tables/<name>.jsonl`` for each
table as of one moment, ``blobs/<sha256>`` for each blob that a row names, and the secret key where it is kept in the
data folder. The manifest knows all of it (``manifest``), so that ``restoring`` can verify it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from srs.errors import FileError, InputError
from srs.server.config import Config, keeps_its_key
from srs.server.services.manifest import BLOBS, MANIFEST, SECRET_KEY, Manifest, Member, sha256_of, table_member
from srs.server.store.disk import sync_folder
from srs.server.store.dump import dump_table, snapshot, tables
from srs.server.store.engine import Session, Store
from srs.server.store.migrations import head
from srs.server.store.references import referenced_blobs

LEFT_S = 3600.0
"""What nothing has referred to for so long is left by something that failed."""
SWEPT_AT_ONCE = 100
"""Blobs of one transaction that lets nobody else write."""


@dataclass(frozen=True)
class Contents:
    """What a backup holds."""

    rows: int
    blobs: int
    size_bytes: int


def sweep_blobs(store: Store) -> int:
    """Delete blobs that no row names and what unfinished uploads left, once an hour old; returns how many.

    The database is asked for a blob again where nobody else writes, and the blob is gone before anybody does: whoever
    wants to name it from then on sees that (``Blobs.require``). So no clock decides about a file that a row names; the
    hour only spares those who are about to write one.
    """
    before = store.blobs.clock() - LEFT_S
    old = store.blobs.unchanged_since(before)
    with store.read() as session:
        suspects = sorted(old - referenced_blobs(session))
    swept = store.blobs.remove_unfinished(before)
    for first in range(0, len(suspects), SWEPT_AT_ONCE):
        with store.alone() as session:
            unnamed = set(suspects[first : first + SWEPT_AT_ONCE]) - referenced_blobs(session)
            swept += sum(store.blobs.remove(sha256, before) for sha256 in unnamed)
    return swept


def forget_blob(store: Store, sha256: str, before: float) -> None:
    """Delete the blob of an upload that was refused, unless a row names it or it was stored anew since ``before``."""
    with store.alone() as session:
        if sha256 not in referenced_blobs(session):
            store.blobs.remove(sha256, before)


def backup(store: Store, config: Config, path: Path) -> Contents:
    """Write a backup to ``path``, which must not exist; it appears there complete or not at all.

    Raises ``FileError`` where it cannot be written, or a file of the installation is missing or has changed.
    """
    if path.exists():
        raise InputError("backup.exists", f"{path} exists already; choose another name.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with (
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            TemporaryDirectory() as folder,
            snapshot(store) as session,
        ):
            with tarfile.open(fileobj=file, mode="w") as archive:
                manifest = _write(store, session, config, archive, Path(folder))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise FileError("backup.write", f"{path} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    blobs = sum(name.startswith(BLOBS) for name in manifest.members)
    return Contents(sum(manifest.rows.values()), blobs, path.stat().st_size)


def _write(store: Store, session: Session, config: Config, archive: tarfile.TarFile, folder: Path) -> Manifest:
    rows = {table.name: _write_lines(folder / table.name, dump_table(session, table)) for table in tables()}
    blobs = sorted(referenced_blobs(session))
    key = config.secret_key.encode()
    members = {table_member(name): _member_of(folder / name) for name in rows}
    members |= {f"{BLOBS}{sha256}": Member(sha256=sha256, size_bytes=_size_of(store, sha256)) for sha256 in blobs}
    key_sha256 = hashlib.sha256(key).hexdigest()
    if keeps_its_key(config):  # otherwise an operator keeps it, who has it still
        members[SECRET_KEY] = Member(sha256=key_sha256, size_bytes=len(key))
    manifest = Manifest(
        revision=str(head()),
        taken_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        rows=rows,
        members=members,
        key_sha256=key_sha256,
    )
    _add_bytes(archive, MANIFEST, manifest.model_dump_json(indent=1).encode())
    for name in rows:
        archive.add(folder / name, arcname=table_member(name), filter=_anonymous)
    for sha256 in blobs:
        _add_blob(store, archive, sha256, members[f"{BLOBS}{sha256}"].size_bytes)
    if SECRET_KEY in members:
        _add_bytes(archive, SECRET_KEY, key)
    return manifest


def _write_lines(path: Path, lines: Iterable[str]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    return count


def _member_of(path: Path) -> Member:
    with path.open("rb") as file:
        return Member(sha256=sha256_of(file), size_bytes=path.stat().st_size)


def _size_of(store: Store, sha256: str) -> int:
    if store.blobs.missing([sha256]):
        raise _not_whole(sha256, "is missing")
    return store.blobs.path(sha256).stat().st_size


def _add_blob(store: Store, archive: tarfile.TarFile, sha256: str, size_bytes: int) -> None:
    entry = _entry(f"{BLOBS}{sha256}", size_bytes)
    with store.blobs.path(sha256).open("rb") as file:
        read = _Hashed(file)
        archive.addfile(entry, read)
    if read.digest.hexdigest() != sha256:
        raise _not_whole(sha256, "has changed on the disk")


class _Hashed:
    """A file that is hashed as it is read; more than reading is not asked of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _not_whole(sha256: str, what: str) -> FileError:
    return FileError(
        "backup.not-whole",
        f"The file {sha256}, which the database names, {what}; no backup was made.",
        hint="Put it back from an earlier backup (blobs/ in the tar file), then try again.",
    )


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_entry(name, len(data)), io.BytesIO(data))


def _entry(name: str, size_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size_bytes, 0o600
    return entry


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry

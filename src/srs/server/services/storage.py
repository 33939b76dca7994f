"""Backup and restore of a whole installation, and the sweep of blobs that nothing refers to.

A backup is one tar file, taken while the installation runs: ``manifest.json``, one ``tables/<name>.jsonl`` for each
table as of one moment, ``blobs/<sha256>`` for each blob that a row names, and the secret key where it is kept in the
data folder. It restores into an empty installation on either database; every blob and table is verified.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from srs.errors import FileError, InputError, StateError
from srs.server.config import Config
from srs.server.store.dump import dump_table, is_empty, load_table, snapshot, tables, tables_in
from srs.server.store.engine import Session, Store
from srs.server.store.migrations import head, is_known, migrate, step_back
from srs.server.store.references import referenced_blobs

FORMAT = "srs-backup-1"
MANIFEST, SECRET_KEY = "manifest.json", "secret_key"

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


def backup(store: Store, config: Config, path: Path) -> Contents:
    """Write a backup to ``path``, which must not exist; it appears there complete or not at all."""
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
                rows = _write_tables(session, archive, Path(folder))
                blobs = _write_blobs(store, archive, referenced_blobs(session))
                _write_secret_key(config, archive)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise FileError("backup.write", f"{path} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return Contents(rows, blobs, path.stat().st_size)


def _write_tables(session: Session, archive: tarfile.TarFile, folder: Path) -> int:
    summaries: dict[str, dict[str, Any]] = {}
    for table in tables():
        digest, rows = hashlib.sha256(), 0
        with (folder / table.name).open("wb") as file:
            for line in dump_table(session, table):
                data = line.encode() + b"\n"
                digest.update(data)
                file.write(data)
                rows += 1
        summaries[table.name] = {"rows": rows, "sha256": digest.hexdigest()}
    taken_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    manifest = {"format": FORMAT, "revision": head(), "taken_at": taken_at, "tables": summaries}
    _add_bytes(archive, MANIFEST, json.dumps(manifest, indent=1).encode())
    for name in summaries:
        archive.add(folder / name, arcname=_table_member(name), filter=_anonymous)
    return sum(summary["rows"] for summary in summaries.values())


def _write_blobs(store: Store, archive: tarfile.TarFile, referenced: set[str]) -> int:
    for sha256 in sorted(referenced):
        archive.add(store.blobs.path(sha256), arcname=f"blobs/{sha256}", filter=_anonymous)
    return len(referenced)


def _write_secret_key(config: Config, archive: tarfile.TarFile) -> None:
    """The key under which passwords were hashed, where no operator keeps it elsewhere."""
    if _keeps_its_key(config):
        _add_bytes(archive, SECRET_KEY, config.secret_key.encode())


def _keeps_its_key(config: Config) -> bool:
    path = config.data / SECRET_KEY
    return path.exists() and path.read_text(encoding="utf-8").strip() == config.secret_key


def _table_member(name: str) -> str:
    return f"tables/{name}.jsonl"


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    archive.addfile(member, io.BytesIO(data))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def restore(config: Config, path: Path) -> Contents:
    """Bring a backup into an empty installation, all of it or nothing, verified.

    A backup of an earlier version is migrated. Raises ``StateError`` where there is something already, ``FileError``
    for a file that is no whole backup, or one of a later version.
    """
    with _open_backup(path) as archive:
        manifest = _read_manifest(archive)
        migrate(config)
        store = Store(config)
        try:
            with store.read() as session:
                _must_be_empty(session)
            # Before the transaction: no row names a blob yet, so what a broken backup leaves is swept.
            blobs = _restore_blobs(store, archive)
            with store.work() as session:
                _must_be_empty(session)
                step_back(session, manifest["revision"])
                rows = _restore_tables(session, archive, manifest)
                missing = sorted(referenced_blobs(session) - blobs)
                if missing:
                    raise _broken(f"{len(missing)} files that it should hold are missing, first {missing[0]}")
            _restore_secret_key(config, archive)
        finally:
            store.close()
        migrate(config)
    return Contents(rows, len(blobs), path.stat().st_size)


def _must_be_empty(session: Session) -> None:
    if not is_empty(session):
        raise StateError(
            "restore.not-empty",
            "This installation has data already; nothing was changed.",
            hint="Restore into an empty SRS_DATA folder and an empty database.",
        )


@contextmanager
def _open_backup(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, mode="r:") as archive:
            yield archive
    except FileNotFoundError as error:
        raise FileError("restore.missing", f"There is no file {path}.") from error
    except (tarfile.TarError, EOFError) as error:
        raise _broken(str(error)) from error


def _read_manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.load(_member(archive, MANIFEST))
        found, revision = manifest["format"], manifest["revision"]
    except (ValueError, KeyError, TypeError) as error:
        raise _broken("its manifest cannot be read") from error
    if found != FORMAT or not is_known(str(revision)):
        raise FileError(
            "restore.version",
            f"This backup was made by a later version of the program (tables of revision {revision}, here {head()}).",
            hint="Restore it with that version.",
        )
    return manifest


def _restore_blobs(store: Store, archive: tarfile.TarFile) -> set[str]:
    names = {member.name.removeprefix("blobs/") for member in archive if member.name.startswith("blobs/")}
    for name in names:
        blob = store.blobs.receive(_member(archive, f"blobs/{name}").read, max_bytes=1 << 50)
        if blob.sha256 != name:
            raise _broken(f"the file {name} has changed (its hash is now {blob.sha256})")
    return names


def _restore_tables(session: Session, archive: tarfile.TarFile, manifest: dict[str, Any]) -> int:
    count = 0
    for table in tables_in(session):
        with _member(archive, _table_member(table.name)) as file:
            digest = hashlib.sha256()
            for line in file:
                digest.update(line)
            if digest.hexdigest() != manifest["tables"][table.name]["sha256"]:
                raise _broken(f"its table {table.name} has changed")
            file.seek(0)
            count += load_table(session, table, (line.decode("utf-8") for line in file))
    return count


def _restore_secret_key(config: Config, archive: tarfile.TarFile) -> None:
    if SECRET_KEY in archive.getnames() and _keeps_its_key(config):
        (config.data / SECRET_KEY).write_bytes(_member(archive, SECRET_KEY).read())


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise _broken(f"{name} is missing")
    return file


def _broken(why: str) -> FileError:
    return FileError("restore.broken", f"This is not a whole backup: {why}. Nothing was restored.")

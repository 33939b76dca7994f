"""Restore of a backup into an empty installation: all is verified first, then all of it comes back, or nothing."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from srs.errors import FileError, StateError
from srs.server.config import KEPT_KEY, Config, is_weak, keep_key, keeps_its_key
from srs.server.services.manifest import (
    BLOBS,
    SECRET_KEY,
    SECRET_KEY_MAX_BYTES,
    Inventory,
    broken,
    member,
    table_member,
    take_inventory,
)
from srs.server.store.dump import is_empty, load_table, tables_in
from srs.server.store.engine import Session, Store
from srs.server.store.migrations import migrate, step_back
from srs.server.store.references import referenced_blobs

SQLITE_FILES = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of a database for the files beside it."""


@dataclass(frozen=True)
class Restored:
    """What came back, and in sentences what of it could not be verified, or is not as it was."""

    rows: int
    blobs: int
    doubts: tuple[str, ...]


def restore(config: Config, path: Path, *, new_key: bool = False) -> Restored:
    """Bring a backup into an empty installation, all of it or nothing, verified.

    A backup of an earlier version is migrated. With ``new_key`` the secret key of the backup does not matter: this
    installation's own stays, and no password is known any more. Raises ``StateError`` where there is something
    already, or passwords were hashed under a key that is not at hand; ``FileError`` for a file that is no whole
    backup, or one of a later version.
    """
    with _open_backup(path) as archive:
        inventory = take_inventory(archive)
        key = None if new_key else _key_to_keep(config, archive, inventory)
        _folder_must_be_empty(config, path)
        migrate(config)
        store = Store(config)
        try:
            with store.read() as session:
                _tables_must_be_empty(session)
            rows = _bring_back(store, config, archive, inventory, key)
        finally:
            store.close()
        migrate(config)
        return Restored(rows, len(inventory.blobs), tuple(_doubts(archive, inventory, new_key=new_key)))


def _bring_back(store: Store, config: Config, archive: tarfile.TarFile, inventory: Inventory, key: str | None) -> int:
    # The blobs come before the transaction, which would be a long one.
    with _brought_blobs(store, archive, inventory), store.work() as session:
        _tables_must_be_empty(session)
        step_back(session, inventory.revision)
        rows = _load_tables(session, archive, inventory)
        _nothing_may_be_missing(store, session)
        if key is not None:  # before the commit: never rows whose passwords nobody can check
            keep_key(config.data, key)
    return rows


@contextmanager
def _brought_blobs(store: Store, archive: tarfile.TarFile, inventory: Inventory) -> Iterator[None]:
    """The blobs of a backup are there in the block, and gone again if it fails."""
    try:
        for sha256 in sorted(inventory.blobs):
            store.blobs.receive(member(archive, f"{BLOBS}{sha256}").read, max_bytes=1 << 50)
        yield
    except BaseException:
        for sha256 in inventory.blobs:
            store.blobs.remove(sha256)
        raise


def _nothing_may_be_missing(store: Store, session: Session) -> None:
    if missing := store.blobs.missing(sorted(referenced_blobs(session))):
        raise broken(f"{len(missing)} files that it should hold are missing, first {missing[0]}")


def _folder_must_be_empty(config: Config, backup: Path) -> None:
    """Nothing may be there but what the first command of an installation makes."""
    usual = {config.data / KEPT_KEY, backup.absolute()}
    if config.sqlite_path is not None:
        usual |= {config.sqlite_path.with_name(config.sqlite_path.name + added) for added in SQLITE_FILES}
    for folder, _, names in os.walk(config.data):
        if found := sorted({Path(folder) / name for name in names} - usual):
            raise _not_empty(f"{found[0].relative_to(config.data)} lies in SRS_DATA")


def _tables_must_be_empty(session: Session) -> None:
    if not is_empty(session):
        raise _not_empty("its database has rows")


def _not_empty(what: str) -> StateError:
    return StateError(
        "restore.not-empty",
        f"This installation has data already ({what}); nothing was changed.",
        hint="Restore into an empty SRS_DATA folder and an empty database.",
    )


@contextmanager
def _open_backup(path: Path) -> Iterator[tarfile.TarFile]:
    if not path.exists():
        raise FileError("restore.missing", f"There is no file {path}.")
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise broken(str(error)) from error
    except OSError as error:  # reading the backup, or writing the installation
        raise FileError(
            "restore.trouble", f"{error.filename or path}: {error.strerror}. Nothing was restored."
        ) from error


def _load_tables(session: Session, archive: tarfile.TarFile, inventory: Inventory) -> int:
    for table in tables_in(session):
        lines = (line.decode("utf-8") for line in member(archive, table_member(table.name)))
        try:
            rows = load_table(session, table, lines)
        except (ValueError, KeyError, TypeError) as error:
            raise broken(f"its table {table.name} cannot be read") from error
        if rows != inventory.rows.get(table.name):
            raise broken(f"its table {table.name} has {rows} rows, which its manifest denies")
    return sum(inventory.rows.values())


def _key_to_keep(config: Config, archive: tarfile.TarFile, inventory: Inventory) -> str | None:
    """The key that must come to the data folder; ``None`` where this installation has the right one already."""
    brought = _brought_key(archive)
    wanted = inventory.key_sha256 or (_sha256(brought) if brought is not None else None)
    if wanted in (None, _sha256(config.secret_key)):
        return None
    if brought is not None and keeps_its_key(config):
        return brought
    raise StateError(
        "restore.key",
        "The passwords in this backup were hashed under another secret key than the one of this installation.",
        hint="Unset SRS_SECRET_KEY: the key comes with the backup."
        if brought is not None
        else "Set SRS_SECRET_KEY to the key of the installation that was backed up. If it is lost, say --new-key: "
        "then everybody needs a new password.",
    )


def _brought_key(archive: tarfile.TarFile) -> str | None:
    if SECRET_KEY not in archive.getnames():
        return None
    data = member(archive, SECRET_KEY).read(SECRET_KEY_MAX_BYTES + 1)
    try:
        key = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken("its secret key is not text") from error
    if is_weak(key) or len(data) > SECRET_KEY_MAX_BYTES:
        raise broken("its secret key is none that a server accepts: it is short, a known default or far too long")
    return key


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _doubts(archive: tarfile.TarFile, inventory: Inventory, *, new_key: bool) -> Iterator[str]:
    if new_key:
        yield "The secret key is this installation's own: everybody needs a new password."
    elif inventory.key_sha256 is None and SECRET_KEY in archive.getnames():
        yield "An earlier version made this backup and wrote no hash of the secret key: it could not be verified."
    elif inventory.key_sha256 is None:
        yield (
            "An earlier version made this backup, without a secret key: unless this installation has the same as the "
            "one that was backed up, everybody needs a new password."
        )

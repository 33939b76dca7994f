"""What a backup says about itself: every member with its size and hash, and which secret key belongs to it.

Format 2 says so of everything. Format 1, of earlier versions, named tables only: there a blob is known by its name, and
nothing tells whether the secret key is whole, or whether one belongs to it.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from srs.errors import FileError
from srs.server.store.migrations import head, is_known

MANIFEST, SECRET_KEY = "manifest.json", "secret_key"
BLOBS = "blobs/"
CHUNK_BYTES = 1 << 20
MANIFEST_MAX_BYTES = 1 << 28
SECRET_KEY_MAX_BYTES = 4096

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Member(_Part):
    """One file of a backup."""

    sha256: Sha256
    size_bytes: Count


class Manifest(_Part):
    """That of format 2. ``key_sha256`` is of the secret key, also where that is kept elsewhere and no member."""

    format: Literal["srs-backup-2"] = "srs-backup-2"
    revision: str
    taken_at: str
    rows: dict[str, Count]
    members: dict[str, Member]
    key_sha256: Sha256


class _Table(_Part):
    rows: Count
    sha256: Sha256


class _First(_Part):
    format: Literal["srs-backup-1"]
    revision: str
    taken_at: str
    tables: dict[str, _Table]


_ANY: TypeAdapter[Manifest | _First] = TypeAdapter(Annotated[Manifest | _First, Field(discriminator="format")])


@dataclass(frozen=True)
class Inventory:
    """What an open backup must hold, whatever its format."""

    revision: str
    """Of its tables."""
    members: Mapping[str, Member]
    rows: Mapping[str, int]
    """Of each table."""
    key_sha256: str | None
    """Of the secret key; ``None`` where the backup does not say."""

    @property
    def blobs(self) -> set[str]:
        """The names of its blobs."""
        return {name.removeprefix(BLOBS) for name in self.members if name.startswith(BLOBS)}


def table_member(name: str) -> str:
    """Where a table lies in a backup."""
    return f"tables/{name}.jsonl"


def take_inventory(archive: tarfile.TarFile) -> Inventory:
    """Read the manifest and everything that it names. Raises ``FileError`` where anything is not as it says.

    Nothing is kept of what is read, so nothing of a damaged backup can reach an installation.
    """
    manifest = _read_manifest(archive)
    sizes = _sizes(archive)
    inventory = _of_first(manifest, sizes) if isinstance(manifest, _First) else _of_second(manifest)
    _compare(sizes, inventory)
    for name, stated in inventory.members.items():
        if sha256_of(member(archive, name)) != stated.sha256:
            raise broken(f"{name} has changed")
    return inventory


def _of_second(manifest: Manifest) -> Inventory:
    key = manifest.members.get(SECRET_KEY)
    if key is not None and key.sha256 != manifest.key_sha256:
        raise broken("its manifest names two secret keys")
    return Inventory(manifest.revision, manifest.members, manifest.rows, manifest.key_sha256)


def _of_first(manifest: _First, sizes: Mapping[str, int]) -> Inventory:
    sha256s = {table_member(name): table.sha256 for name, table in manifest.tables.items()}
    sha256s |= {name: name.removeprefix(BLOBS) for name in sizes if name.startswith(BLOBS)}
    members = {
        name: Member.model_construct(sha256=sha256, size_bytes=sizes.get(name, 0)) for name, sha256 in sha256s.items()
    }
    return Inventory(manifest.revision, members, {name: table.rows for name, table in manifest.tables.items()}, None)


def _read_manifest(archive: tarfile.TarFile) -> Manifest | _First:
    text = member(archive, MANIFEST).read(MANIFEST_MAX_BYTES)
    try:
        revision = _Revision.model_validate_json(text).revision
        if not is_known(revision):
            raise _of_a_later_version(revision)
        return _ANY.validate_json(text)
    except ValidationError as error:
        raise broken("its manifest cannot be read") from error


class _Revision(BaseModel):
    """Read first: later formats may differ in all the rest."""

    revision: str


def _sizes(archive: tarfile.TarFile) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for entry in archive:
        if entry.name in sizes:
            raise broken(f"{entry.name} is in it twice")
        if entry.name != MANIFEST:
            sizes[entry.name] = entry.size
    return sizes


def _compare(sizes: Mapping[str, int], inventory: Inventory) -> None:
    stated = inventory.members
    if missing := sorted(stated.keys() - sizes.keys()):
        raise broken(f"{missing[0]} is missing" + (f", and {len(missing) - 1} more" if missing[1:] else ""))
    unhashed = {SECRET_KEY} if inventory.key_sha256 is None else set()
    if unknown := sorted(sizes.keys() - stated.keys() - unhashed):
        raise broken(f"its manifest does not know {unknown[0]}")
    if changed := sorted(name for name in stated if sizes[name] != stated[name].size_bytes):
        raise broken(f"{changed[0]} has changed")


def member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file of a backup, open."""
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise broken(f"{name} is missing")
    return file


def sha256_of(file: IO[bytes]) -> str:
    """The SHA-256 of the rest of a file, in hex."""
    digest = hashlib.sha256()
    while data := file.read(CHUNK_BYTES):
        digest.update(data)
    return digest.hexdigest()


def broken(why: str) -> FileError:
    """The error of a backup that is not whole."""
    return FileError("restore.broken", f"This is not a whole backup: {why}. Nothing was restored.")


def _of_a_later_version(revision: Any) -> FileError:
    return FileError(
        "restore.version",
        f"This backup was made by a later version of the program (tables of revision {revision}, here {head()}).",
        hint="Restore it with that version.",
    )

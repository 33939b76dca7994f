"""The files in folders and archives, one after the other, within limits.

The content decides what a file is: a zip, a tar (also as .gz, .bz2, .xz, .zst), a single packed file, or none of
these. Archives are read as streams and nothing of them is written, so no name in them can lead out of a folder.
"""

from __future__ import annotations

import bz2
import contextlib
import dataclasses
import functools
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Self, cast

import zstandard

from srs.errors import FileError
from srs.traces.inflate import RATIO_FROM_BYTES, RATIO_MAX
from srs.traces.pcap import CAPTURE_MAX_BYTES
from srs.traces.report import grouped, quoted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FILES_MAX = 100_000
UNPACKED_MAX_BYTES = 16 * 1024**3
# For one archive. The slowest honest one, 16 GiB of xz, takes some minutes.
TIME_MAX_S = 1800.0

_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_MAGIC_BYTES = 8
_PACKED_SUFFIXES = {".gz", ".bz2", ".xz", ".zst"}
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
# A packed file that is called so is an archive, also where it is too damaged to be seen as one.
_TAR_NAME = re.compile(r"\.(tar(\.[a-z0-9]+)?|t(gz|bz2?|xz|zst))$", re.IGNORECASE)
_BUFFER_BYTES = 64 * 1024
# Headers of the next file, and what was read ahead of it.
_SLACK_BYTES = 1024**2
# Everything that the readers of the formats raise at bytes that make no sense.
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zstandard.ZstdError, lzma.LZMAError, zlib.error, EOFError, OSError,
    ValueError, OverflowError, NotImplementedError, IndexError, RecursionError, struct.error,
)  # fmt: skip


def _unzstd(file: IO[bytes]) -> IO[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
    return io.BufferedReader(cast("io.RawIOBase", reader), _BUFFER_BYTES)


_UNPACKERS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _unzstd,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A file in a folder or in an archive.

    ``name`` is its path, with ``/``, as it is there; a member's follows its archive's. ``unpacked_name`` is the same
    without the ending of a single packed file.
    ``read`` yields its bytes, unpacked where it is a single packed file; it raises ``FileError`` where it cannot, and
    has to be called before the next entry is asked for.
    """

    name: str
    read: Callable[[], bytes]

    @property
    def unpacked_name(self) -> str:
        """What the file is called once it is unpacked."""
        path = PurePosixPath(self.name)
        return str(path.with_suffix("")) if path.suffix in _PACKED_SUFFIXES else self.name


def entries(path: Path) -> Iterator[Entry]:
    """Every file at or below a path, those in archives included; archives in archives are not opened.

    Raises ``FileError`` (``convert.archive``) where an archive is damaged or exceeds a limit, ``OSError`` where a
    file cannot be opened.
    """
    if not path.is_dir():
        yield from _in_file(path)
        return
    locked: list[OSError] = []
    for folder, folders, files in os.walk(path, onerror=locked.append):
        folders.sort()
        for file in sorted(files):
            yield from _in_file(Path(folder) / file)
    for error in locked:
        yield _refused(Path(error.filename).as_posix(), f"The folder cannot be read: {error.strerror}.")


def _in_file(path: Path) -> Iterator[Entry]:
    name = path.as_posix()
    if not path.is_file():
        yield _refused(name, "It is no regular file.")
        return
    with path.open("rb") as file, _damage_told(name):
        if file.read(4) in _ZIP_MAGICS:
            yield from _in_zip(file, name)
        else:
            file.seek(0)
            yield from _in_stream(file, name)


def _refused(name: str, why: str) -> Entry:
    def refuse() -> bytes:
        raise FileError("convert.entry", why)

    return Entry(name, refuse)


@contextlib.contextmanager
def _damage_told(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as damage:
        raise FileError("convert.archive", _damaged(name, damage)) from None


def _damaged(name: str, damage: BaseException) -> str:
    why = quoted(str(damage)) or type(damage).__name__
    return f"{quoted(name)} is damaged (sent only in part?): {why}."


class _Budget:
    """What may be unpacked from one archive."""

    def __init__(self, name: str, packed_bytes: Callable[[], int]) -> None:
        self._name = quoted(name)
        self._packed_bytes = packed_bytes
        self._ends = time.monotonic() + TIME_MAX_S
        self._files = self._unpacked = self._of_file = 0

    def next_file(self) -> None:
        """Another file begins."""
        self._files += 1
        self._of_file = 0
        self._hold(self._files <= FILES_MAX, f"holds more than {grouped(FILES_MAX)} files")

    def spend(self, size: int) -> None:
        """So many bytes more were unpacked."""
        self._unpacked += size
        self._of_file += size
        ratio = self._unpacked / max(1, self._packed_bytes())
        mib = CAPTURE_MAX_BYTES // 1024**2
        self._hold(self._of_file <= CAPTURE_MAX_BYTES + _SLACK_BYTES, f"holds a file of more than {mib} MiB")
        self._hold(self._unpacked <= UNPACKED_MAX_BYTES, f"unpacks to more than {UNPACKED_MAX_BYTES // 1024**3} GiB")
        self._hold(self._unpacked <= RATIO_FROM_BYTES or ratio <= RATIO_MAX, f"unpacks more than {RATIO_MAX}-fold")
        self._hold(time.monotonic() <= self._ends, f"takes more than {TIME_MAX_S / 60:g} minutes to read")

    def _hold(self, kept: bool, otherwise: str) -> None:
        if not kept:
            raise FileError("convert.archive", f"{self._name} {otherwise}: that is no archive of captures of visits.")


class _Counted(io.RawIOBase):
    """A stream whose bytes are paid for as they are read."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        super().__init__()
        self._stream = stream
        self._budget = budget

    def readable(self) -> bool:
        """A stream to read from."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer as far as one read of the stream goes: also what lies before a cut is read."""
        target = memoryview(buffer).cast("B")
        piece = cast("io.BufferedIOBase", self._stream).read1(len(target))
        self._budget.spend(len(piece))
        target[: len(piece)] = piece
        return len(piece)


def _unpacker(head: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    return next((unpacker for magic, unpacker in _UNPACKERS.items() if head.startswith(magic)), None)


def _counted(stream: IO[bytes], budget: _Budget) -> io.BufferedReader:
    return io.BufferedReader(_Counted(stream, budget), _BUFFER_BYTES)


def _in_stream(file: IO[bytes], name: str) -> Iterator[Entry]:
    """What is in a file that is no zip: the members of a tar, or the file itself."""
    budget = _Budget(name, file.tell)
    unpacker = _unpacker(file.read(_MAGIC_BYTES))
    file.seek(0)
    stream = _counted(unpacker(file) if unpacker else file, budget)
    try:
        head = stream.peek(tarfile.BLOCKSIZE)
    except _DAMAGE as damage:
        if _TAR_NAME.search(name):
            raise
        yield _refused(name, _damaged(name, damage))
        return
    if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        yield from _in_tar(stream, name, budget)
    else:
        yield Entry(name, lambda: _all_of(stream, name))


def _all_of(stream: IO[bytes], name: str) -> bytes:
    """Everything, or one byte more than a capture may have."""
    with _damage_told(name):
        return stream.read(CAPTURE_MAX_BYTES + 1)


def _member(archive: str, member: str, why_not: str, opened: Callable[[], IO[bytes]], budget: _Budget) -> Entry:
    """A member of an archive, unpacked where it is packed once more by itself."""
    name = f"{archive}/{member}"
    parts = member.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts:
        why_not = "Its name leads out of the archive."

    def read() -> bytes:
        with _damage_told(name), opened() as stream:
            data = _all_of(stream, name)
            unpacker = _unpacker(data[:_MAGIC_BYTES])
            return _all_of(_counted(unpacker(io.BytesIO(data)), budget), name) if unpacker else data

    return _refused(name, why_not) if why_not else Entry(name, read)


def _in_zip(file: IO[bytes], name: str) -> Iterator[Entry]:
    size = os.fstat(file.fileno()).st_size
    budget = _Budget(name, lambda: size)
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            budget.next_file()
            if member.is_dir():
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)
            why_not = "" if kind in (0, stat.S_IFREG) else "It is a link or another special file."
            if member.flag_bits & 1:
                why_not = "It is encrypted."
            opened = functools.partial(_counted_member, archive, member, budget)
            yield _member(name, member.filename, why_not, opened, budget)


def _counted_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget) -> io.BufferedReader:
    return _counted(archive.open(member), budget)


class _WholeHeader(tarfile.TarInfo):
    """A header of a tar; one that makes no sense does not end the archive quietly, as it would by default."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in a block. Raises ``ReadError`` where there is none and no end mark either."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as damage:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(str(damage)) from None


def _in_tar(stream: IO[bytes], name: str, budget: _Budget) -> Iterator[Entry]:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_WholeHeader) as archive:
        while (member := archive.next()) is not None:
            budget.next_file()
            if member.isdir():
                continue
            why_not = "" if member.isreg() and not member.issparse() else "It is a link or another special file."
            opened = functools.partial(archive.extractfile, member)
            yield _member(name, member.name, why_not, cast("Callable[[], IO[bytes]]", opened), budget)
    while stream.read(_BUFFER_BYTES):
        pass  # to the end of what is packed, where its checksum stands

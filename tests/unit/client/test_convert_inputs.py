"""Folders and archives, honest and hostile: every capture is found, and a sentence says what cannot be read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from fixtures.sizes import size
from srs.client import convert_inputs
from srs.client.convert_inputs import Entry, entries
from srs.errors import FileError
from srs.traces.inflate import RATIO_FROM_BYTES
from worlds.captures import pcap, visit

FILES = {"a/trace_x_grid_1.pcap": pcap(visit(3)), "a/trace_y_grid_1.pcap": pcap(visit(4)), "b/notes.txt": b"hello"}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}
QUICK: dict[str, Callable[[bytes], bytes]] = PACKERS | {
    ".gz": lambda data: gzip.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
}
"""For nothing but zeros, where more effort makes nothing smaller."""
SECONDS_MAX = 2.0


def tar(files: dict[str, bytes], *members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in members:
            archive.addfile(member)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(files: dict[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            archive.writestr(info, data)
    return buffer.getvalue()


def content(path: Path) -> dict[str, bytes]:
    """The files found below a path, by their names below it, once unpacked."""
    return {entry.unpacked_name.removeprefix(f"{path.as_posix()}/"): entry.read() for entry in entries(path)}


def reasons(path: Path) -> dict[str, str]:
    """Why the entries below a path cannot be read; empty for those that can."""
    return {entry.name.removeprefix(f"{path.as_posix()}/"): reason(entry) for entry in entries(path)}


def reason(entry: Entry) -> str:
    try:
        entry.read()
    except FileError as error:
        return error.sentence
    return ""


def refusal(path: Path) -> str:
    """Why an archive is refused as a whole."""
    with pytest.raises(FileError) as refused:
        reasons(path)
    assert refused.value.code == "convert.archive"
    return refused.value.sentence


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "archive"
        path.write_bytes(data)
        return path

    return write


def test_a_folder_and_those_in_it(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert content(tmp_path) == FILES
    assert list(content(tmp_path)) == sorted(FILES)


def test_a_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "trace_x_grid_1.pcap"
    path.write_bytes(FILES["a/trace_x_grid_1.pcap"])
    assert [(entry.name, entry.read()) for entry in entries(path)] == [(path.as_posix(), path.read_bytes())]


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_alone_is_called_as_what_is_in_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "trace_x_grid_1.pcap"
    (tmp_path / (path.name + suffix)).write_bytes(PACKERS[suffix](b"capture" * 1000))
    assert content(tmp_path) == {path.name: b"capture" * 1000}


@pytest.mark.parametrize("suffix", ["", *PACKERS])
def test_a_tar(archive: Callable[[bytes], Path], suffix: str) -> None:
    data = tar(FILES, member("c", tarfile.DIRTYPE))
    assert content(archive(PACKERS[suffix](data) if suffix else data)) == FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA])
def test_a_zip(archive: Callable[[bytes], Path], method: int) -> None:
    assert content(archive(zipped(FILES | {"c/": b""}, method=method))) == FILES


def test_an_archive_in_a_folder_and_a_packed_file_in_an_archive(tmp_path: Path) -> None:
    (tmp_path / "day.zip").write_bytes(zipped({"trace.pcap.gz": gzip.compress(b"one")}))
    (tmp_path / "night.tar").write_bytes(tar({"trace.pcap.xz": lzma.compress(b"two")}))
    assert content(tmp_path) == {"day.zip/trace.pcap": b"one", "night.tar/trace.pcap": b"two"}


def test_a_damaged_packed_capture_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a.pcap.gz").write_bytes(gzip.compress(FILES["a/trace_x_grid_1.pcap"])[:-9])
    (tmp_path / "b.pcap").write_bytes(FILES["a/trace_y_grid_1.pcap"])
    found = reasons(tmp_path)
    assert "is damaged (sent only in part?)" in found["a.pcap.gz"]
    assert found["b.pcap"] == ""


def test_an_archive_of_which_nothing_can_be_unpacked_is_known_by_its_name(tmp_path: Path) -> None:
    nothing = bz2.compress(tar(FILES))[:50]
    (tmp_path / "visits.bz2").write_bytes(nothing)
    assert "is damaged" in reasons(tmp_path)["visits.bz2"]
    (tmp_path / "visits.tar.bz2").write_bytes(nothing)
    assert "is damaged" in refusal(tmp_path)


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal of the system is played."""
    (tmp_path / "a").mkdir()
    scan = os.scandir

    def refuse(path: str | Path) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert reasons(tmp_path) == {"a": "The folder cannot be read: Permission denied."}


def test_entries_that_nobody_reads_are_passed_over(archive: Callable[[bytes], Path]) -> None:
    path = archive(gzip.compress(tar(FILES)))
    assert [entry.name for entry in entries(path)] == [f"{path.as_posix()}/{name}" for name in FILES]


LEADS_OUT, SPECIAL = "Its name leads out of the archive.", "It is a link or another special file."


@pytest.mark.parametrize("name", ["../x.pcap", "/etc/x.pcap", "a/../../x.pcap", "..\\x.pcap"])
def test_a_name_that_leads_out_of_the_archive_is_refused(archive: Callable[[bytes], Path], name: str) -> None:
    """F2, of the client: there is nothing that would be written, and it is not read either."""
    good = {"trace.pcap": b"good"}
    for data in (tar({name: b"x"} | good), zipped({name: b"x"} | good)):
        assert list(reasons(archive(data)).values()) == [LEADS_OUT, ""]


@pytest.mark.parametrize(
    "special",
    [
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "trace.pcap"),
        member("pipe", tarfile.FIFOTYPE),
        member("disk", tarfile.BLKTYPE),
        member("hole", tarfile.GNUTYPE_SPARSE),
    ],
    ids=lambda special: special.name,
)
def test_links_and_devices_in_a_tar_are_refused(archive: Callable[[bytes], Path], special: tarfile.TarInfo) -> None:
    found = reasons(archive(tar({"trace.pcap": b"good"}, special)))
    assert found == {"trace.pcap": "", special.name: SPECIAL}


def test_a_link_in_a_zip_is_refused(archive: Callable[[bytes], Path]) -> None:
    assert reasons(archive(zipped({"link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777))) == {"link": SPECIAL}
    assert reasons(archive(zipped({"file": b"x"}, mode=stat.S_IFREG | 0o644))) == {"file": ""}


def test_an_encrypted_member_is_refused(archive: Callable[[bytes], Path]) -> None:
    data = bytearray(zipped({"trace.pcap": b"x"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert reasons(archive(bytes(data))) == {"trace.pcap": "It is encrypted."}


def test_what_is_no_regular_file_in_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert reasons(tmp_path) == {"nowhere": "It is no regular file.", "pipe": "It is no regular file."}


@pytest.fixture
def bomb(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """More zeros than may be unpacked whatever the ratio; every day that bound is a tenth."""
    monkeypatch.setattr(convert_inputs, "RATIO_FROM_BYTES", size(RATIO_FROM_BYTES // 10, RATIO_FROM_BYTES))
    return bytes(size(4_000_000, 40_000_000))


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("wrapped", [tar, None], ids=["tar", "alone"])
def test_a_bomb_ends_early(
    archive: Callable[[bytes], Path], bomb: bytes, suffix: str, wrapped: Callable[..., bytes] | None
) -> None:
    path = archive(QUICK[suffix](wrapped({"trace.pcap": bomb}) if wrapped else bomb))
    begin = time.process_time()
    found = refusal(path) if wrapped else next(iter(reasons(path).values()))
    assert "unpacks more than 100-fold" in found
    assert time.process_time() - begin <= SECONDS_MAX


def test_a_bomb_in_a_zip_ends_early(archive: Callable[[bytes], Path], bomb: bytes) -> None:
    path = archive(zipped({f"{n}.pcap": bomb for n in range(3)}))
    begin = time.process_time()
    found = list(reasons(path).values())
    assert all("unpacks more than 100-fold" in each for each in found)
    assert time.process_time() - begin <= SECONDS_MAX


def test_the_limits_of_an_archive(archive: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tar(FILES))
    with monkeypatch.context() as low:
        low.setattr(convert_inputs, "FILES_MAX", 2)
        assert "holds more than 2 files" in refusal(path)
        assert "holds more than 2 files" in refusal(archive(zipped(FILES)))
    path = archive(tar(FILES))
    with monkeypatch.context() as low:
        low.setattr(convert_inputs, "UNPACKED_MAX_BYTES", 1000)
        assert "unpacks to more than 0 GiB" in refusal(path)
    with monkeypatch.context() as low:
        low.setattr(convert_inputs, "TIME_MAX_S", -1.0)
        assert "to read" in refusal(path)
    with monkeypatch.context() as low:
        low.setattr(convert_inputs, "CAPTURE_MAX_BYTES", 500)
        low.setattr(convert_inputs, "_SLACK_BYTES", 500)
        assert "holds a file of more than 0 MiB" in refusal(path)


def long_names(number: int) -> bytes:
    """A tar of so many headers in a row that only name what follows."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
    return (header.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(tarfile.BLOCKSIZE, b"\0")) * number


def test_a_damaged_archive_is_told(archive: Callable[[bytes], Path]) -> None:
    whole = tar(FILES)
    spoiled = bytearray(whole)
    spoiled[whole.index(b"a/trace_y") + 100] ^= 1
    for data in (
        bytes(spoiled),  # a header whose checksum is wrong
        whole[: len(b"".join(FILES.values())) // 2],  # cut in a member
        whole[:2048],  # cut between two members
        PACKERS[".gz"](whole)[:-9],
        PACKERS[".xz"](whole)[:-9],
        PACKERS[".bz2"](whole)[:-9],
        zipped(FILES)[:-9],
        zipped({"": b"no name"}),
        long_names(3000),
    ):
        assert "is damaged (sent only in part?)" in refusal(archive(data))


def test_a_damaged_member_of_a_zip_costs_only_itself(archive: Callable[[bytes], Path]) -> None:
    data = bytearray(zipped(FILES, method=zipfile.ZIP_STORED))
    data[data.index(b"hello")] ^= 1
    found = reasons(archive(bytes(data)))
    assert [name for name, why in found.items() if why] == ["b/notes.txt"]
    assert "is damaged" in found["b/notes.txt"]


@pytest.mark.parametrize("kind", ["zip", "tar", *PACKERS])
def test_whatever_an_archive_holds_it_ends_in_a_sentence(archive: Callable[[bytes], Path], kind: str) -> None:
    """F2, of the client: archives of each kind, spoiled at random places or cut."""
    rng = random.Random(kind)
    whole = zipped(FILES) if kind == "zip" else tar(FILES)
    whole = PACKERS[kind](whole) if kind in PACKERS else whole
    for _ in range(size(60, 300)):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(512, len(data)))
            data[at] = rng.randrange(256)
        path = archive(bytes(data[: rng.randint(1, len(data))] if rng.random() < 0.3 else data))
        try:
            found = reasons(path)
        except FileError as error:
            found = {"": error.sentence}
        assert all(why.isprintable() for why in found.values())

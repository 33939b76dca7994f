"""What is said of a zip that holds something else. Hostile ones: tests/faults/test_archives.py."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib

import pytest

from srs.errors import FileError
from srs.traces.zip_member import holds_end_record, sole_member
from worlds.zips import CSV, Part, deflated, descriptor, made_zip, zip64


def zipped(*names: str) -> memoryview:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"a,b\n")
    return memoryview(buffer.getvalue())


def test_the_member_is_described() -> None:
    archive = zipped("my folder/traces.csv")
    member = sole_member(archive)
    assert (member.name, member.packed_bytes, member.unpacked_bytes) == ("my folder/traces.csv", 4, 4)
    assert not member.deflated
    assert bytes(archive[member.start : member.start + 4]) == b"a,b\n"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "This is not a zip with one CSV in it (found: nothing). It holds 0 files;"),
        (("a.csv", "b\n.csv"), "(found: a.csv, b\\n.csv). It holds 2 files; zip the CSV alone, without its folder."),
        (("a", "b", "c", "d", "e"), "(found: a, b, c and 2 more)."),
        (("a.csv", "__MACOSX/._a.csv"), "zip in a terminal with: zip -X defence.zip defence.csv"),
    ],
)
def test_what_was_found_instead_is_told(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(FileError) as caught:
        sole_member(zipped(*names))
    assert caught.value.code == "file.members"
    assert said in str(caught.value)


PACKED = deflated(CSV)
SIZES64 = struct.pack("<2H2Q", 1, 16, len(CSV), len(PACKED))
"""The ZIP64 extra field."""
TIME = struct.pack("<2H", 0x5455, 0)
"""Another extra field."""
WIDE = {"packed": PACKED, "packed_bytes": 0xFFFFFFFF, "unpacked": 0xFFFFFFFF}


@pytest.mark.parametrize(
    ("archive", "name"),
    [
        (made_zip(Part()), "defence.csv"),
        (made_zip(Part(name="défense.csv".encode(), flags=1 << 11)), "défense.csv"),
        (made_zip(Part(attributes=0x20)), "defence.csv"),
        (made_zip(Part(attributes=(stat.S_IFIFO | 0o600) << 16)), "defence.csv"),
        (made_zip(Part(flags=8, descriptor=descriptor())), "defence.csv"),
        (made_zip(Part(flags=8, descriptor=descriptor(layout="<3I"))), "defence.csv"),
        (made_zip(Part(flags=8, descriptor=descriptor(layout="<4sI2Q"))), "defence.csv"),
        (made_zip(Part(**WIDE, extra=SIZES64, local_extra=TIME + SIZES64)), "defence.csv"),
        (zip64(Part()), "defence.csv"),
    ],
    ids=["plain", "utf8", "dos", "piped", "streamed", "bare", "wide", "sizes64", "end64"],
)
def test_every_way_to_write_one_file_is_read(archive: bytes, name: str) -> None:
    member = sole_member(memoryview(archive))
    assert (member.name, member.deflated, member.crc) == (name, True, zlib.crc32(CSV))
    assert (member.packed_bytes, member.unpacked_bytes) == (len(PACKED), len(CSV))
    assert archive[member.start : member.start + member.packed_bytes] == PACKED


def test_a_file_of_five_gigabytes_is_described_by_its_wide_descriptor() -> None:
    size = 5 * 10**9
    wide = struct.pack("<I2Q", zlib.crc32(CSV), len(PACKED), size)
    extra = struct.pack("<2HQ", 1, 8, size)
    archive = made_zip(Part(flags=8, unpacked=0xFFFFFFFF, extra=extra, descriptor=wide))
    assert sole_member(memoryview(archive)).unpacked_bytes == size


def end_record(directory_bytes: int) -> bytes:
    """The end of a zip of one entry whose directory begins at byte 4."""
    return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, directory_bytes, 4, 0)


GOOD, GOOD64 = made_zip(Part()), zip64(Part())
DISAGREE = "The parts of this zip contradict each other: {}. Zip the CSV again with an ordinary program."
ONE_ENTRY = "its directory holds more or less than the one entry it counts"
FILLS = "its packed bytes do not fill the space between header and directory"
TWO_HEADERS = "the directory and the file's own header differ in {}"


@pytest.mark.parametrize(
    ("archive", "what"),
    [
        (made_zip(Part(), comment=b"hello"), "bytes or a comment follow its end"),
        (GOOD + b"1,2\n", "bytes or a comment follow its end"),
        (GOOD[:-18] + b"\1\0" + GOOD[-16:], "its end record names other volumes or a comment"),
        (GOOD64[:-14] + b"\2\0\2\0" + GOOD64[-10:], "its two end records differ"),
        (zip64(Part(), shift=1), "its directory does not end where the end record begins"),
        (made_zip(Part(), gap=b"1,2\n"), FILLS),
        (GOOD64[:-34] + struct.pack("<Q", 5) + GOOD64[-26:], "its ZIP64 locator points elsewhere"),
        (
            GOOD64.replace(b"PK\6\6,", b"PK\6\6-"),
            "its ZIP64 end record names other volumes or has an unknown length",
        ),
        (b"PK\3\4" + end_record(directory_bytes=46), "its directory does not end where the end record begins"),
        (GOOD.replace(b"PK\1\2", b"PK\1\1"), ONE_ENTRY),
        (made_zip(Part(), before=b"PK\3\4"), "its file does not begin where the zip begins"),
        (made_zip(Part(local_name=b"other.csv.x")), TWO_HEADERS.format("name, flags or method")),
        (made_zip(Part(local_method=0)), TWO_HEADERS.format("name, flags or method")),
        (made_zip(Part(local_unpacked=10)), TWO_HEADERS.format("size or checksum")),
        (made_zip(Part(packed_bytes=len(PACKED) - 1)), FILLS),
        (made_zip(Part(packed_bytes=10**6)), FILLS),
        (made_zip(Part(flags=8, descriptor=descriptor(lie=1))), FILLS),
        (made_zip(Part(flags=8, descriptor=b"xx")), FILLS),
    ],
)
def test_parts_that_contradict_each_other_are_told(archive: bytes, what: str) -> None:
    with pytest.raises(FileError) as caught:
        sole_member(memoryview(archive))
    assert caught.value.code == "file.zip-structure"
    assert str(caught.value) == DISAGREE.format(what)


@pytest.mark.parametrize(
    ("archive", "code", "said"),
    [
        (GOOD[:-30], "file.damaged", "its directory at the end is missing (sent only in part?)."),
        (b"PK\3\4abc", "file.damaged", "its directory at the end is missing (sent only in part?)."),
        (b"PK\3\4" + end_record(directory_bytes=0), "file.damaged", "The zip is damaged: its directory is cut off."),
        (
            made_zip(Part(), entries=65_535),
            "file.members",
            "(found: defence.csv and 65 534 more).",
        ),
        (made_zip(Part(attributes=(stat.S_IFLNK | 0o777) << 16)), "file.member-kind", "is a link or another special"),
        (made_zip(Part(flags=1)), "file.encrypted", "zip the CSV again without a password."),
        (made_zip(Part(method=99)), "file.encrypted", "zip the CSV again without a password."),
        (made_zip(Part(method=12)), "file.zip-method", "is packed with method 12; only deflate and stored are read."),
        (made_zip(Part(name=b"a/../../x.csv")), "file.member-name", "'a/../../x.csv' is no name for a CSV in a zip"),
        (made_zip(Part(name=b"C:\\x.csv")), "file.member-name", "expected a plain relative file name."),
        (made_zip(Part(name=b"d\xe9fense.csv", flags=1 << 11)), "file.member-name", "in this zip is not UTF-8;"),
    ],
)
def test_a_zip_that_is_not_read_says_why(archive: bytes, code: str, said: str) -> None:
    with pytest.raises(FileError) as caught:
        sole_member(memoryview(archive))
    assert caught.value.code == code
    assert said in str(caught.value)


def test_an_end_record_is_seen_wherever_a_reader_would_look() -> None:
    assert holds_end_record(zipped("a"))
    assert holds_end_record(memoryview(bytes(zipped("a")) + bytes(65_000)))
    assert not holds_end_record(memoryview(b"cell_id,rep\n"))

"""What is said of a zip that holds something else. Hostile ones: tests/faults/test_archives.py."""

from __future__ import annotations

import io
import zipfile

import pytest

from srs.errors import FileError
from srs.traces.zip_member import holds_end_record, sole_member


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


def test_an_end_record_is_seen_wherever_a_reader_would_look() -> None:
    assert holds_end_record(zipped("a"))
    assert holds_end_record(memoryview(bytes(zipped("a")) + bytes(65_000)))
    assert not holds_end_record(memoryview(b"cell_id,rep\n"))

"""What kind of table was sent, and where it comes from. Hostile archives: tests/faults/test_archives.py."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

from srs.errors import FileError
from srs.traces.archive import open_table
from srs.traces.writers import write_zip
from worlds.zips import Part, made_zip

LIMITS = {"packed_max_bytes": 1000, "unpacked_max_bytes": 2000}


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    parquet = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(parquet)
    assert open_table(parquet.getvalue(), "table.csv", **LIMITS).kind == "parquet"
    write_zip("inner.csv", b"a\n1\n", tmp_path / "x")
    opened = open_table(tmp_path / "x", "table.parquet", **LIMITS)
    assert (opened.kind, opened.data, opened.name) == ("csv", b"a\n1\n", "inner.csv")
    write_zip("inner.parquet", parquet.getvalue(), tmp_path / "x")
    assert open_table(tmp_path / "x", "a.zip", **LIMITS).kind == "parquet"


@pytest.mark.parametrize("source", [b"a\n1\n", bytearray(b"a\n1\n"), memoryview(b"a\n1\n")])
def test_bytes_of_any_kind_are_opened(source: bytes | bytearray | memoryview) -> None:
    assert open_table(source, "evil\nname", **LIMITS).name == "evil\\nname"


def test_limits_are_inclusive(tmp_path: Path) -> None:
    assert len(open_table(b"0" * 1000, "full", **LIMITS).data) == 1000
    with pytest.raises(FileError, match=r"0\.0 MB; at most 0\.001 MB"):
        open_table(b"0" * 1001, "fuller", **LIMITS)
    write_zip("zeros.csv", b"0" * 2000, tmp_path / "x")
    assert len(open_table(tmp_path / "x", "full", **LIMITS).data) == 2000
    write_zip("zeros.csv", b"0" * 2001, tmp_path / "x")
    with pytest.raises(FileError, match="Unpacked size exceeds"):
        open_table(tmp_path / "x", "fuller", **LIMITS)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_packed_table_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    opened = open_table(pack(b"a\n1\n"), "sent.csv", **LIMITS)
    assert (opened.kind, opened.data, opened.name) == ("csv", b"a\n1\n", "sent.csv")


@pytest.mark.parametrize(
    ("pack", "inner", "what"),
    [
        (gzip.compress, zstandard.compress, "a Zstandard file"),
        (zstandard.compress, gzip.compress, "a gzip file"),
        (gzip.compress, lambda _: made_zip(Part()), "a zip"),
    ],
)
def test_what_is_packed_twice_is_refused(
    pack: Callable[[bytes], bytes], inner: Callable[[bytes], bytes], what: str
) -> None:
    with pytest.raises(FileError) as refused:
        open_table(pack(inner(b"a\n1\n")), "sent", **LIMITS)
    assert refused.value.code == "file.nested"
    assert refused.value.sentence == f"In this file is {what} again; pack the CSV once."


def test_a_table_and_a_zip_at_once_is_refused() -> None:
    with pytest.raises(FileError, match="a zip and something else at once") as refused:
        open_table(b"a\n1\n" + made_zip(Part()), "sent", **LIMITS)
    assert refused.value.code == "file.two-formats"


def test_a_file_of_no_bytes_and_one_that_is_too_large_as_it_is_are_refused() -> None:
    with pytest.raises(FileError, match=r"The file is empty \(0 bytes\)") as refused:
        open_table(b"", "sent", **LIMITS)
    assert refused.value.code == "file.empty"
    with pytest.raises(FileError, match="Unpacked size exceeds") as refused:
        open_table(b"0" * 900, "sent", packed_max_bytes=1000, unpacked_max_bytes=800)
    assert refused.value.code == "file.unpacked-size"


CAPTURES = "Of captures, one for each trace, srs convert makes a defence."


@pytest.mark.parametrize(
    ("magic", "what", "hint"),
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG picture", ""),
        (b"\xff\xd8\xff\xe0", "a JPEG picture", ""),
        (b"GIF89a", "a GIF picture", ""),
        (b"%PDF-1.7", "a PDF", ""),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file", ""),
        (b"SQLite format 3\0", "an SQLite database", ""),
        (b"\xd4\xc3\xb2\xa1", "a packet capture", CAPTURES),
        (b"\x0a\x0d\x0d\x0a", "a packet capture", CAPTURES),
    ],
)
def test_what_is_no_table_is_told_by_its_name(magic: bytes, what: str, hint: str) -> None:
    with pytest.raises(FileError) as refused:
        open_table(magic + b"\0" * 50, "defence.csv", **LIMITS)
    said = f"This is {what}, not a table; a CSV (alone or as .zip, .gz, .zst) or a Parquet file is expected."
    assert (refused.value.code, refused.value.sentence, refused.value.hint) == ("file.format", said, hint)

"""Class and repetition of a capture, by pattern and by manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from srs.client.convert_names import DEFAULT_PATTERN, Label, Manifest, Pattern
from srs.errors import InputError


@pytest.mark.parametrize(
    ("pattern", "name", "of_class"),
    [
        (DEFAULT_PATTERN, "trace_01_04_08h_grid_17.pcap", 17),
        (DEFAULT_PATTERN, "a/b.zip/c/trace_x_grid_007.pcapng", 7),
        ("{class}-{rep}", "x/100-5", 100),
        ("{class}/{rep}.pcap", "x/100/5.pcap", 100),
        ("cell{class}.pcap", "cell3.pcap", 3),
        ("a.b+{class}", "a.b+3", 3),
    ],
)
def test_a_name_that_fits(pattern: str, name: str, of_class: int) -> None:
    assert Pattern.of(pattern).label(name) == Label(of_class, None)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (DEFAULT_PATTERN, "trace_x_grid_17.pcap.txt"),
        (DEFAULT_PATTERN, "trace__grid_.pcap"),
        (DEFAULT_PATTERN, "trace_x_grid_1x.pcap"),
        (DEFAULT_PATTERN, "trace_x_grid_١٢.pcap"),
        ("{class}/{rep}.pcap", "5.pcap"),
        ("a.b+{class}", "aab+3"),
    ],
)
def test_a_name_that_does_not(pattern: str, name: str) -> None:
    assert Pattern.of(pattern).label(name) == f"Its name does not match {pattern}."


@pytest.mark.parametrize("number", ["0", "2147483648", "9" * 40])
def test_a_number_that_is_no_class(number: str) -> None:
    told = Pattern.of(DEFAULT_PATTERN).label(f"trace_x_grid_{number}.pcap")
    assert told == f"{number} is no class; they count from 1."


@pytest.mark.parametrize(
    "pattern",
    [
        "trace.pcap",
        "{class}{class}",
        "{rep}{rep}{class}",
        "{class}{x}",
        "{{class}}",
        "{rep}",
        "{rep}{class}",
        "{class}{rep}",
    ],
)
def test_a_pattern_that_is_none(pattern: str) -> None:
    with pytest.raises(InputError, match="cannot be used") as refused:
        Pattern.of(pattern)
    assert refused.value.code == "convert.pattern"


def read(folder: Path, text: str) -> Manifest:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return Manifest.read(path)


def test_a_manifest(tmp_path: Path) -> None:
    manifest = read(
        tmp_path, '\ufefffile,note,class,rep\na.pcap,x,3,12\n./day/b.pcap,,4, 0\n"c,d.pcap",,4,1\nlost.pcap,,5,1\n'
    )
    assert manifest.label("in/zip/a.pcap") == Label(3, 12)
    assert manifest.label("in/zip/a.pcap") == Label(3, 12)
    assert manifest.label("in/day/b.pcap") == Label(4, 0)
    assert manifest.label("c,d.pcap") == Label(4, 1)
    assert manifest.label("other/b.pcap") == "The manifest does not name it."
    assert manifest.label("elsewhere/a.pcap") == "The manifest's a.pcap is in/zip/a.pcap already."
    assert manifest.missing() == ["lost.pcap"]
    assert manifest.label("a/" * 200_000 + "a.pcap") == "The manifest's a.pcap is in/zip/a.pcap already."


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "expected the columns file, class, rep"),
        ("file,class\na,1\n", 1, "expected the columns"),
        ("file,class,rep\na,1,0\nb,0,0\n", 3, "expected the name of a file"),
        ("file,class,rep\na,1\n", 2, "expected the name of a file"),
        ("file,class,rep\na,1,x\n", 2, "expected the name of a file"),
        ("file,class,rep\n,1,1\n", 2, "expected the name of a file"),
        ("file,class,rep\na,1,1\na,1,2\n", 3, "named twice"),
        ("file,class,rep\na,1,1\nb,1,1\n", 3, "named twice"),
        ("file,class,rep\n\udcff,1,1\n", 0, "no CSV in UTF-8"),
        ("file,class,rep\n" + "x" * 140_000 + ",1,1\n", 1, "no CSV in UTF-8"),
    ],
)
def test_a_manifest_that_is_none(tmp_path: Path, text: str, line: int, why: str) -> None:
    with pytest.raises(InputError, match=f"manifest.csv, line {line}: .*{why}") as refused:
        read(tmp_path, text)
    assert refused.value.code == "convert.manifest"

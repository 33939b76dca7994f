"""Archives made to hurt, and archives that two programs read differently: refused, in time and in memory."""

from __future__ import annotations

import gzip
import json
import random
import stat
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from fixtures.sizes import record, size
from srs.errors import FileError
from srs.traces.archive import Opened, open_table
from srs.traces.inflate import PIECES_MAX
from worlds.zips import CSV, Part, deflated, descriptor, ended64, made_zip, ordinary_zip, zip64

PACKED_MAX, UNPACKED_MAX = 64_000_000, 512_000_000
SECONDS_MAX = 2.0


def opened(data: bytes | Path, unpacked_max_bytes: int = UNPACKED_MAX) -> Opened:
    return open_table(data, "sent", packed_max_bytes=PACKED_MAX, unpacked_max_bytes=unpacked_max_bytes)


def code_of(data: bytes | Path, unpacked_max_bytes: int = UNPACKED_MAX) -> str:
    """The code with which a file is refused; "" if it is opened."""
    try:
        opened(data, unpacked_max_bytes)
    except FileError as error:
        refusal = error
    else:
        return ""
    assert refusal.sentence
    assert len(str(refusal)) < 500
    assert all(character.isprintable() for character in str(refusal))
    return refusal.code


def crowd(count: int) -> bytes:
    """A zip of many empty files, more than the end record of old can count."""
    files = (Part(content=b"", packed=b"", method=0, name=b"%06d" % number) for number in range(count))
    bodies, entries = zip(*(file.bytes_and_entry(36 * number) for number, file in enumerate(files)), strict=True)
    return ended64(b"".join(bodies), b"".join(entries), entries=count)


def overlapping() -> bytes:
    """Two directory entries, one body."""
    body, entry = Part().bytes_and_entry(0)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, 2 * len(entry), len(body), 0)
    return body + entry + entry + end


def hidden_member() -> bytes:
    """Two bodies; the directory knows the second, a reader of local headers meets the first."""
    first, _ = Part(content=b"another,file\n1,2\n").bytes_and_entry(0)
    second, entry = Part().bytes_and_entry(len(first))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(first) + len(second), 0)
    return first + second + entry + end


def two_directories() -> bytes:
    """A whole zip inside the comment of another: the last end record wins here, the first one there."""
    inner = made_zip(Part(content=b"cell_id\n1\n"))
    return made_zip(Part(), comment=inner)


PACKED = deflated(CSV)
HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "size too small": ("file.size-lie", lambda: made_zip(Part(unpacked=10))),
    "size too large": ("file.size-lie", lambda: made_zip(Part(unpacked=len(CSV) + 1))),
    "size beyond the limit": ("file.unpacked-size", lambda: made_zip(Part(unpacked=2**32 - 2))),
    "another size in the local header": ("file.zip-structure", lambda: made_zip(Part(local_unpacked=10))),
    "packed size too small": ("file.zip-structure", lambda: made_zip(Part(packed_bytes=len(PACKED) - 1))),
    "packed size beyond the file": ("file.zip-structure", lambda: made_zip(Part(packed_bytes=10**6))),
    "bytes behind the stream": ("file.size-lie", lambda: made_zip(Part(packed=PACKED + b"x"))),
    "wrong CRC": ("file.damaged", lambda: made_zip(Part(crc=1))),
    "no deflate stream": ("file.damaged", lambda: made_zip(Part(packed=b"\xff" * 50))),
    "stream cut short": ("file.damaged", lambda: made_zip(Part(packed=PACKED[:-5]))),
    "nested zip": ("file.nested", lambda: made_zip(Part(content=ordinary_zip("a.csv")))),
    "nested gzip": ("file.nested", lambda: made_zip(Part(content=gzip.compress(CSV)))),
    "nested zst": ("file.nested", lambda: gzip.compress(zstandard.compress(CSV))),
    "nested 7z": ("file.format", lambda: gzip.compress(b"7z\xbc\xaf\x27\x1c" + CSV)),
    "gzip in zst": ("file.nested", lambda: zstandard.compress(gzip.compress(CSV))),
    "encrypted": ("file.encrypted", lambda: made_zip(Part(flags=1))),
    "strongly encrypted": ("file.encrypted", lambda: made_zip(Part(flags=1 << 6 | 1))),
    "AES": ("file.encrypted", lambda: made_zip(Part(method=99))),
    "masked directory": ("file.encrypted", lambda: made_zip(Part(flags=1 << 13))),
    "bzip2 inside": ("file.zip-method", lambda: made_zip(Part(method=12))),
    "zip64 with a wrong offset": ("file.zip-structure", lambda: zip64(Part(), shift=1)),
    "zip64 with two entries": ("file.members", lambda: zip64(Part(), entries=2)),
    "zip64 with 2^64 - 1 entries": ("file.members", lambda: zip64(Part(), entries=2**64 - 1)),
    "zip64 end contradicts the other": (
        "file.zip-structure",
        lambda: (good := zip64(Part()))[:-14] + b"\2\0\2\0" + good[-10:],
    ),
    "zip64 locator points elsewhere": (
        "file.zip-structure",
        lambda: (good := zip64(Part()))[:-34] + struct.pack("<Q", 5) + good[-26:],
    ),
    "zip64 end of an unknown length": ("file.zip-structure", lambda: zip64(Part()).replace(b"PK\6\6,", b"PK\6\6-")),
    "overlapping": ("file.members", overlapping),
    "overlap that counts one": ("file.zip-structure", lambda: overlapping()[:-14] + b"\1\0\1\0" + overlapping()[-10:]),
    "hidden member": ("file.zip-structure", hidden_member),
    "duplicate names": ("file.members", lambda: ordinary_zip("a.csv", "a.csv")),
    "two files": ("file.members", lambda: ordinary_zip("a.csv", "b.csv")),
    "a Mac's companion": ("file.members", lambda: ordinary_zip("a.csv", "__MACOSX/._a.csv")),
    "no file": ("file.members", ordinary_zip),
    "100 000 members": ("file.members", lambda: crowd(100_000)),
    "65 535 entries claimed": ("file.members", lambda: made_zip(Part(), entries=65_535)),
    "symbolic link": ("file.member-kind", lambda: made_zip(Part(attributes=(stat.S_IFLNK | 0o777) << 16))),
    "device": ("file.member-kind", lambda: made_zip(Part(attributes=(stat.S_IFCHR | 0o666) << 16))),
    "absolute": ("file.member-name", lambda: made_zip(Part(name=b"/etc/passwd"))),
    "absolute on Windows": ("file.member-name", lambda: made_zip(Part(name=b"C:\\x.csv"))),
    "backslash": ("file.member-name", lambda: made_zip(Part(name=b"\\\\host\\x.csv"))),
    "..": ("file.member-name", lambda: made_zip(Part(name=b"a/../../x.csv"))),
    ".. with backslashes": ("file.member-name", lambda: made_zip(Part(name=b"a\\..\\..\\x.csv"))),
    "folder": ("file.member-name", lambda: made_zip(Part(name=b"a.csv/"))),
    "no name": ("file.member-name", lambda: made_zip(Part(name=b""))),
    "NUL in the name": ("file.member-name", lambda: made_zip(Part(name=b"a.csv\0.exe"))),
    "escape in the name": ("file.member-name", lambda: made_zip(Part(name=b"\x1b[2Ja.csv"))),
    "bad UTF-8 in the name": ("file.member-name", lambda: made_zip(Part(name=b"d\xe9fense.csv", flags=1 << 11))),
    "another name in the local header": ("file.zip-structure", lambda: made_zip(Part(local_name=b"other.csv.x"))),
    "another method in the local header": ("file.zip-structure", lambda: made_zip(Part(local_method=0))),
    "a gap before the directory": ("file.zip-structure", lambda: made_zip(Part(), gap=b"cell_id,rep\n")),
    "a comment": ("file.zip-structure", lambda: made_zip(Part(), comment=b"hello")),
    "a zip in the comment": ("file.zip-structure", two_directories),
    "junk behind": ("file.zip-structure", lambda: made_zip(Part()) + b"\n1,2,3,4\n"),
    "junk before, offsets right": ("file.two-formats", lambda: made_zip(Part(), before=CSV)),
    "junk before, offsets wrong": ("file.two-formats", lambda: CSV + made_zip(Part())),
    "a local header before": ("file.zip-structure", lambda: made_zip(Part(), before=b"PK\3\4")),
    "gzip and zip": ("file.two-formats", lambda: gzip.compress(CSV) + made_zip(Part())),
    "parquet and zip": ("file.two-formats", lambda: b"PAR1" + made_zip(Part())),
    "descriptor that lies": ("file.zip-structure", lambda: made_zip(Part(flags=8, descriptor=descriptor(lie=1)))),
    "descriptor that is missing": ("file.zip-structure", lambda: made_zip(Part(flags=8, descriptor=b"xx"))),
    "the directory cut off": ("file.damaged", lambda: ordinary_zip("a.csv")[:-30]),
    "a few bytes": ("file.damaged", lambda: b"PK\3\4abc"),
    "an end record alone, pointing out": (
        "file.zip-structure",
        lambda: b"PK\3\4" + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 46, 4, 0),
    ),
    "an end record alone, of nothing": (
        "file.damaged",
        lambda: b"PK\3\4" + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 0, 4, 0),
    ),
    "5 GB by a wide descriptor": (
        "file.unpacked-size",
        lambda: made_zip(
            Part(
                flags=8,
                unpacked=0xFFFFFFFF,
                extra=struct.pack("<2HQ", 1, 8, 5 * 10**9),
                descriptor=struct.pack("<I2Q", zlib.crc32(CSV), len(PACKED), 5 * 10**9),
            )
        ),
    ),
    "several volumes": (
        "file.zip-structure",
        lambda: (good := made_zip(Part()))[:-18] + b"\1\0" + good[-16:],
    ),
    "gzip cut short": ("file.damaged", lambda: gzip.compress(CSV)[:-3]),
    "gzip with a wrong CRC": ("file.damaged", lambda: gzip.compress(CSV)[:-8] + b"\0" * 8),
    "gzip with bytes behind": ("file.trailing-bytes", lambda: gzip.compress(CSV) + b"\0" * 10),
    "gzip of countless members": ("file.pieces", lambda: gzip.compress(b"") * (PIECES_MAX + 1)),
    "zst cut short": ("file.damaged", lambda: zstandard.compress(CSV)[:-3]),
    "zst with a wrong checksum": (
        "file.damaged",
        lambda: zstandard.ZstdCompressor(write_checksum=True).compress(CSV)[:-4] + b"\0" * 4,
    ),
    "zst with bytes behind": ("file.trailing-bytes", lambda: zstandard.compress(CSV) + b"\0" * 10),
    "zst of countless blocks": ("file.pieces", lambda: b"\x28\xb5\x2f\xfd\x00\x58" + b"\0\0\0" * (PIECES_MAX + 20)),
    "zst of countless frames": ("file.pieces", lambda: zstandard.compress(b"") * (PIECES_MAX + 1)),
    "zst of a header": ("file.damaged", lambda: b"\x28\xb5\x2f\xfd"),
    "zst with a huge window": ("file.damaged", lambda: b"\x28\xb5\x2f\xfd\x00\xff" + b"\1\0\0"),
    "tar": ("file.format", lambda: b"a.csv".ljust(257, b"\0") + b"ustar" + CSV),
    "xz": ("file.format", lambda: b"\xfd7zXZ\0" + CSV),
    "a capture": ("file.format", lambda: b"\xd4\xc3\xb2\xa1" + CSV),
    "empty": ("file.empty", lambda: b""),
    "too large as sent": ("file.too-large", lambda: b"\0" * (PACKED_MAX + 1)),
    "too large as it is": ("file.unpacked-size", lambda: b"0" * 1_000_001),
}  # fmt: skip


def test_hostile_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F2: each with its code, nothing written, 2 s at most."""
    monkeypatch.chdir(tmp_path)
    wrong: dict[str, tuple[str, float]] = {}
    for name, (code, make) in HOSTILE.items():
        data = make()
        begin = time.process_time()
        found = code_of(data, 1_000_000 if name == "too large as it is" else UNPACKED_MAX)
        took = time.process_time() - begin
        if found != code or took > SECONDS_MAX:
            wrong[name] = found, took
    record("F2", len(HOSTILE), lost=len(wrong), note="hostile archives refused with their code")
    assert wrong == {}
    assert list(tmp_path.iterdir()) == []


HONEST: dict[str, Callable[[], bytes]] = {
    "plain": lambda: CSV,
    "zip of Python": lambda: ordinary_zip("defence.csv"),
    "zip in a folder": lambda: ordinary_zip("results/my defence.csv"),
    "zip of our own making": lambda: made_zip(Part()),
    "stored": lambda: made_zip(Part(method=0, packed=CSV)),
    "zip64 end": lambda: zip64(Part()),
    "zip64 sizes": lambda: made_zip(
        Part(
            packed=PACKED,
            packed_bytes=0xFFFFFFFF,
            unpacked=0xFFFFFFFF,
            extra=struct.pack("<2H2Q", 1, 16, len(CSV), len(PACKED)),
            local_extra=struct.pack("<2H", 0x5455, 0) + struct.pack("<2H2Q", 1, 16, len(CSV), len(PACKED)),
        )
    ),
    "descriptor": lambda: made_zip(Part(flags=8, descriptor=descriptor())),
    "descriptor without a signature": lambda: made_zip(Part(flags=8, descriptor=descriptor(layout="<3I"))),
    "wide descriptor": lambda: made_zip(Part(flags=8, descriptor=descriptor(layout="<4sI2Q"))),
    "UTF-8 name": lambda: made_zip(Part(name="défense.csv".encode(), flags=1 << 11)),
    "made on DOS": lambda: made_zip(Part(attributes=0x20)),
    "gzip": lambda: gzip.compress(CSV),
    "gzip of two members": lambda: gzip.compress(CSV[:1000]) + gzip.compress(CSV[1000:]),
    "zst": lambda: zstandard.compress(CSV),
    "zst with a checksum": lambda: zstandard.ZstdCompressor(write_checksum=True).compress(CSV),
    "zst of two frames": lambda: zstandard.compress(CSV[:1000]) + zstandard.compress(CSV[1000:]),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_archives_are_opened(name: str, tmp_path: Path) -> None:
    data = HONEST[name]()
    assert (opened(data).kind, opened(data).data) == ("csv", CSV)
    path = tmp_path / "blob"
    path.write_bytes(data)
    assert opened(path).data == CSV


@pytest.mark.parametrize("command", [["zip", "-q", "-"], ["zip", "-q", "-X", "-"]])
def test_what_info_zip_streams_is_opened(command: list[str], tmp_path: Path) -> None:
    try:
        made = subprocess.run([*command, "-"], input=CSV, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("there is no zip program on this machine")
    assert opened(made).data == CSV


def test_large_files_are_unpacked_in_pieces() -> None:
    numbers = random.Random(1).randbytes(1_500_000).hex().encode()
    for packed in (gzip.compress(numbers, 1), zstandard.compress(numbers), made_zip(Part(content=numbers))):
        assert opened(packed).data == numbers


def test_any_damage_is_an_error_or_harmless() -> None:
    """F2: one to three bytes of a zip, a gzip, a Zstandard file changed, cut or added, anywhere."""
    chance = random.Random(2)
    tried = size(600, 30_000)
    for number in range(tried):
        data = bytearray(
            [ordinary_zip("defence.csv"), zip64(Part()), gzip.compress(CSV), zstandard.compress(CSV)][number % 4]
        )
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
        try:
            table = opened(bytes(data))
        except FileError:
            continue
        assert number % 4 == 3 or table.data == CSV or table.data == bytes(data)
    record("F2", tried, note="archives damaged at random")


BOMB = """
import json, re, sys, time
from pathlib import Path
from srs.errors import FileError
from srs.traces.archive import open_table
for path, limit in json.load(sys.stdin):
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, at what is in memory now
    begin = time.process_time()  # not the clock, on which other tests may have their turn
    try:
        open_table(Path(path), "bomb", packed_max_bytes=64_000_000, unpacked_max_bytes=limit)
    except FileError as error:
        code = error.code
    took = time.process_time() - begin
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    print(json.dumps([code, took, peak]))
"""


def zeros(unpacked: int, packed: int) -> tuple[bytes, int]:
    """A deflate stream of so many zeros, padded by empty blocks; and the number of zeros in it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(16_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    times = -(-unpacked // 16_000_000)
    padding = b"\0\0\0\xff\xff" * max(0, (packed // times - len(piece)) // 5)
    return (piece + padding) * times + b"\3\0", times * 16_000_000


def bombs(unpacked: int, packed: int) -> dict[str, tuple[bytes, str, int]]:
    """Name -> bytes, the code expected, the limit in bytes."""
    stream, count = zeros(unpacked, packed)
    lying = made_zip(Part(content=b"", packed=stream, unpacked=count % 400_000_000))
    honest = made_zip(Part(content=b"", packed=stream, unpacked=min(count, 2**32 - 2)))
    block = struct.pack("<I", 128 * 1024 << 3 | 1 << 1)[:3] + b"0"
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + block * (PIECES_MAX // 2) + b"\1\0\0"
    return {
        "a zip that says so": (honest, "file.unpacked-size", UNPACKED_MAX),
        "a zip that lies": (lying, "file.ratio", UNPACKED_MAX),
        "a gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + stream + bytes(8), "file.ratio", UNPACKED_MAX),
        "a Zstandard file": (frame, "file.ratio", UNPACKED_MAX),
        "a zip below the ratio's concern": (lying, "file.unpacked-size", 20_000_000),
    }


def test_bombs_cost_nothing(tmp_path: Path) -> None:
    """F1: 10 GB in 47 MB (everyday: 1 GB in 4.7 MB) is refused within 1 s and 100 MB."""
    tried = bombs(size(1, 10) * 10**9, size(1, 10) * 4_700_000)
    for number, (data, _, _) in enumerate(tried.values()):
        (tmp_path / f"{number}").write_bytes(data)
    asked = json.dumps([(str(tmp_path / f"{number}"), limit) for number, (_, _, limit) in enumerate(tried.values())])
    printed = subprocess.run([sys.executable, "-c", BOMB], input=asked, capture_output=True, check=True, text=True)
    for (name, (data, code, _)), measured in zip(tried.items(), printed.stdout.splitlines(), strict=True):
        found, took, rss = json.loads(measured)
        lost = found != code or took > 1.0 or rss > 100_000_000
        record("F1", 1, lost=lost, note=f"{name}: {len(data) / 1e6:.0f} MB sent, {took:.3f} s, {rss / 1e6:.0f} MB RSS")
        assert (found, took <= 1.0, rss <= 100_000_000) == (code, True, True), (name, found, took, rss)

"""``srs convert`` as participants run it, on made-up and on real captures; its result passes ``srs check``."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from worlds.captures import Frame, ethernet, ip, pcap, pcapng, tcp

SRS = str(Path(sys.executable).with_name("srs"))
DATA = Path(__file__).parents[3] / "shared" / "data"
PCAPS, EXPECTED = DATA / "secretstroll_pcaps.tar.xz", DATA / "secretstroll_pcaps_expected.csv.zip"
CLASSES, REPETITIONS = 2, 3
RACE = f"""
slug = "two-queries"
title = "Two queries"
[joining]
how = "open"
[classes]
count = {CLASSES}
column = "query_id"
singular = "query"
[traces]
repetitions = [{REPETITIONS}, 9]
[split]
test_traces = 2
test_pool = 2
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
"""


def srs(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [SRS, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=cwd)


def visit(seed: int) -> list[Frame]:
    """A visit of some seconds and kilobytes, no two alike."""
    rng = np.random.default_rng(seed)
    ends = ("10.0.0.2", "185.220.101.7")
    times = np.cumsum(rng.integers(10_000, 400_000, 30)) + 1_650_000_000_000_000
    sent = rng.random(30) < 0.3
    sent[:2] = True, False
    return [
        Frame(int(at), ethernet(ip(*(ends if out else ends[::-1]), tcp(int(size)))), 64)
        for at, out, size in zip(times, sent, rng.integers(100, 1400, 30), strict=True)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A race of two classes, and captures for it: pcap in a folder, pcapng in a zip."""
    (tmp_path / "race.toml").write_text(RACE)
    (tmp_path / "day").mkdir()
    for rep in range(REPETITIONS):
        (tmp_path / "day" / f"trace_{rep}_grid_1.pcap").write_bytes(pcap(visit(rep)))
    with zipfile.ZipFile(tmp_path / "night.zip", "w") as archive:
        for rep in range(REPETITIONS):
            archive.writestr(f"night/trace_{rep}_grid_2.pcapng", pcapng(visit(100 + rep)))
        archive.writestr("night/README", "captured by night")
    return tmp_path


def test_from_captures_to_an_accepted_defence(folder: Path) -> None:
    done = srs("convert", "day", "night.zip", "-o", "defence.csv.zip", "--race", "race.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "defence.csv.zip: 6 traces of 2 queries, 180 packets.",
        "Client: 10.0.0.2 in 6 captures.",
        "Dropped 1 file:",
        "  night.zip/night/README: Its name does not match trace_{rep}_grid_{class}.pcap.",
        "Next: srs check defence defence.csv.zip --race race.toml",
    ]
    assert done.stderr == ""
    checked = srs(*done.stdout.splitlines()[-1].split()[2:], "--json", cwd=folder)
    verdict = json.loads(checked.stdout)
    assert (verdict["accepted"], verdict["traces"], verdict["warnings"]) == (True, 6, []), checked.stdout


def test_for_programs(folder: Path) -> None:
    done = srs("convert", "day", "-o", "d.parquet", "--client", "10.0.0.2", "--keep-acks", "--json", cwd=folder)
    values: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0
    assert (values["written"], values["traces"], values["packets"]) == ("d.parquet", 3, 90)
    assert pl.read_parquet(folder / "d.parquet").height == 90


def test_a_manifest_instead_of_names(folder: Path) -> None:
    (folder / "m.csv").write_text("file,class,rep\nday/trace_0_grid_1.pcap,2,5\n")
    done = srs("convert", ".", "--manifest", "m.csv", "-o", "d.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert set(pl.read_csv(folder / "d.csv").select("cell_id", "rep").rows()) == {(2, 5)}


def test_a_file_that_is_there_is_not_overwritten_unasked(folder: Path) -> None:
    (folder / "d.csv").write_text("mine")
    refused = srs("convert", "day", "-o", "d.csv", cwd=folder)
    assert refused.returncode == 2
    assert "d.csv exists; choose another name, or add --overwrite." in refused.stderr
    assert (folder / "d.csv").read_text() == "mine"
    assert srs("convert", "day", "-o", "d.csv", "--overwrite", cwd=folder).returncode == 0
    assert (folder / "d.csv").read_text().startswith("cell_id,rep,direction_size,timestamp\n1,0,")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["day", "-o", "d.txt"], "its name must end in .csv.zip, .csv or .parquet."),
        (["day", "-o", "gone/d.csv"], "the folder gone does not exist."),
        (["day", "-o", "d.csv", "--client", "10.0.0"], "'10.0.0' is no IP address."),
        (["day", "-o", "d.csv", "--pattern", "trace.pcap"], "The pattern trace.pcap cannot be used"),
        (["day", "-o", "d.csv", "--pattern", "{class}", "--manifest", "race.toml"], "Give either --pattern or"),
        (["day", "-o", "d.csv", "--manifest", "race.toml"], "race.toml, line 1: expected the columns"),
        (["cut.zip", "-o", "d.csv"], "cut.zip is damaged (sent only in part?)"),
        (["private", "-o", "d.csv"], "Which side is the client?"),
        (["gone", "-o", "d.csv"], "'gone' does not exist."),
        (["day"], "Missing option '-o'"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(folder: Path, arguments: list[str], told: str) -> None:
    (folder / "cut.zip").write_bytes((folder / "night.zip").read_bytes()[:-9])
    (folder / "private").mkdir()
    local = Frame(0, ethernet(ip("10.0.0.2", "10.0.0.3", tcp(5))))
    (folder / "private" / "trace_1_grid_1.pcap").write_bytes(pcap([local]))
    done = srs("convert", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not (folder / "d.csv").exists()


def test_nothing_to_convert_writes_nothing(folder: Path) -> None:
    done = srs("convert", "day", "-o", "d.csv", "--pattern", "{class}.pcap", cwd=folder)
    assert done.returncode == 1
    assert done.stdout.startswith("No capture could be used; nothing was written.\nDropped 3 files:\n")
    assert not (folder / "d.csv").exists()


def test_a_terminal_sees_what_is_read(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [SRS, "convert", "day", "-o", "d.csv"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=300, check=True
    )
    os.close(theirs)
    assert done.stdout.startswith(b"d.csv: 3 traces")
    assert b"Reading" in os.read(ours, 100_000)
    os.close(ours)


@pytest.fixture(scope="module")
def expected() -> dict[str, pl.DataFrame]:
    """What each real capture must become, by its name."""
    with zipfile.ZipFile(EXPECTED) as archive:
        table = pl.read_csv(io.BytesIO(archive.read(archive.namelist()[0])))
    return {str(name): rows for (name,), rows in table.partition_by("file", as_dict=True).items()}


@pytest.mark.skipif(not PCAPS.exists(), reason="the real captures are not in ../shared")
@pytest.mark.parametrize("unpacked", [False, True], ids=["archive", "folder"])
def test_the_real_captures_become_exactly_the_expected_packets(
    tmp_path: Path, expected: dict[str, pl.DataFrame], unpacked: bool
) -> None:
    """All 200 captures, 79 358 packets: sizes, signs and times to the microsecond, in the order of the files."""
    source = PCAPS
    if unpacked:
        with tarfile.open(PCAPS) as archive:
            archive.extractall(tmp_path, filter="data")
        source = tmp_path / "secretstroll_pcaps"
    done = srs("convert", source, "-o", tmp_path / "d.csv.zip", "--json")
    values = json.loads(done.stdout)
    assert (values["traces"], values["classes"], values["packets"]) == (200, 100, 79_358)
    assert (values["dropped"], values["cut"]) == ([], {})
    assert values["left_out"] == {"acks": 0, "foreign": 0, "not_ip": 0, "timeless": 0}
    assert sorted(values["clients"].values()) == [100, 100]
    with zipfile.ZipFile(tmp_path / "d.csv.zip") as archive:
        table = pl.read_csv(io.BytesIO(archive.read("defence.csv")))
    traces = table.partition_by("cell_id", "rep", as_dict=True)
    names = [(int(rows["cell_id"][0]), name) for name, rows in expected.items()]
    for cell in range(1, 101):
        for rep, name in enumerate(sorted(name for of_cell, name in names if of_cell == cell)):
            made, wanted = traces[(cell, rep)], expected[name]
            assert made["direction_size"].to_list() == wanted["direction_size"].to_list(), name
            assert microseconds(made) == microseconds(wanted), name
    assert len(traces) == len(expected) == 200


def microseconds(table: pl.DataFrame) -> list[int]:
    return np.rint(table["timestamp"].to_numpy() * 1e6).astype(int).tolist()

"""``srs convert`` on made-up and on real captures; its result passes ``srs check``."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import tarfile
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import dpkt
import numpy as np
import polars as pl
import pytest

from fixtures.commands import SRS, srs, srs_here
from fixtures.reference import REAL_PACKETS, REAL_PCAPS, reads_real_captures
from worlds.captures import Frame, ethernet, ip, pcap, pcapng, tcp

CELLS = (3, 17, 40, 100)
NAMES = [f"trace_{day:02}_04_{hour:02}h_grid_{cell}.pcap" for cell in CELLS for day, hour in ((13, 9), (2, 23), (2, 8))]
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
    checked = srs_here(*done.stdout.splitlines()[-1].split()[2:], "--json", cwd=folder)
    verdict = json.loads(checked.stdout)
    assert (verdict["accepted"], verdict["traces"], verdict["warnings"]) == (True, 6, []), checked.stdout


def test_for_programs(folder: Path) -> None:
    done = srs_here("convert", "day", "-o", "d.parquet", "--client", "10.0.0.2", "--keep-acks", "--json", cwd=folder)
    values: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0
    assert (values["written"], values["traces"], values["packets"]) == ("d.parquet", 3, 90)
    assert pl.read_parquet(folder / "d.parquet").height == 90


def test_a_manifest_instead_of_names(folder: Path) -> None:
    (folder / "m.csv").write_text("file,class,rep\nday/trace_0_grid_1.pcap,2,5\n")
    done = srs_here("convert", ".", "--manifest", "m.csv", "-o", "d.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert set(pl.read_csv(folder / "d.csv").select("cell_id", "rep").rows()) == {(2, 5)}


def test_a_file_that_is_there_is_not_overwritten_unasked(folder: Path) -> None:
    (folder / "d.csv").write_text("mine")
    refused = srs_here("convert", "day", "-o", "d.csv", cwd=folder)
    assert refused.returncode == 2
    assert "d.csv exists; choose another name, or add --overwrite." in refused.stderr
    assert (folder / "d.csv").read_text() == "mine"
    assert srs_here("convert", "day", "-o", "d.csv", "--overwrite", cwd=folder).returncode == 0
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
    done = srs_here("convert", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not (folder / "d.csv").exists()


def test_nothing_to_convert_writes_nothing(folder: Path) -> None:
    done = srs_here("convert", "day", "-o", "d.csv", "--pattern", "{class}.pcap", cwd=folder)
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


@pytest.mark.parametrize("unpacked", [False, True], ids=["archive", "folder"])
def test_captures_of_another_program_become_exactly_the_packets_in_them(tmp_path: Path, unpacked: bool) -> None:
    """Written with dpkt; with acknowledgements, another protocol and time that runs back, as in real captures."""
    source = tmp_path / "captures"
    source.mkdir()
    held = {name: write_with_dpkt(source / name, seed) for seed, name in enumerate(sorted(NAMES))}
    if not unpacked:
        with tarfile.open(tmp_path / "captures.tar.xz", "w:xz") as archive:
            archive.add(source, "captures")
        source = tmp_path / "captures.tar.xz"
    done = srs_here("convert", source, "-o", "d.csv.zip", "--json", cwd=tmp_path)
    values = json.loads(done.stdout)
    packets = sum(len(visit) for visit in held.values())
    assert (values["traces"], values["classes"], values["packets"]) == (len(NAMES), len(CELLS), packets)
    assert (values["dropped"], values["cut"]) == ([], {})
    assert values["left_out"] == {"acks": 2 * len(NAMES), "foreign": 0, "not_ip": len(NAMES), "timeless": 0}
    assert values["clients"] == {"192.168.80.2": len(NAMES)}
    traces = traces_of(tmp_path / "d.csv.zip")
    for cell in CELLS:
        for rep, name in enumerate(sorted(name for name in NAMES if name.endswith(f"_{cell}.pcap"))):
            made, wanted = traces[(cell, rep)], held[name]
            assert made["direction_size"].to_list() == [size for size, _ in wanted], name
            assert microseconds(made) == [at_us - wanted[0][1] for _, at_us in wanted], name
    assert len(traces) == len(NAMES)


def write_with_dpkt(path: Path, seed: int) -> list[tuple[int, int]]:
    """A capture; the signed size and the moment (microseconds since 1970) of each packet that counts, in its order."""
    rng, ends = np.random.default_rng(seed), (bytes([192, 168, 80, 2]), bytes([185, 220, 101, 7]))
    at_us = 1_648_000_000_000_000 + seed * 60_000_000 + np.cumsum(rng.integers(-2, 300_000, 40))
    at_us[20], at_us[21] = at_us[21], at_us[20]
    counted = []
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for number, moment_us in enumerate(at_us.tolist()):
            sent = number % 5 == seed % 2
            source, target = ends if sent else ends[::-1]
            payload = b"" if number in (7, 8) else bytes(int(rng.integers(1, 1400)))
            segment = dpkt.tcp.TCP(sport=9001, dport=443, flags=dpkt.tcp.TH_ACK, data=payload)
            packet = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_TCP, data=segment)
            packet.len = len(packet)
            frame = dpkt.ethernet.Ethernet(type=dpkt.ethernet.ETH_TYPE_IP, data=packet)
            if number == 30:
                frame = dpkt.ethernet.Ethernet(type=dpkt.ethernet.ETH_TYPE_ARP, data=dpkt.arp.ARP())
            elif payload:
                counted.append((packet.len if sent else -packet.len, moment_us))
            writer.writepkt(bytes(frame), Decimal(moment_us) / 1_000_000)
    return counted


def traces_of(path: Path) -> dict[tuple[object, ...], pl.DataFrame]:
    """The packets of each trace that was written, by cell and repetition."""
    with zipfile.ZipFile(path) as archive:
        table = pl.read_csv(io.BytesIO(archive.read("defence.csv")))
    return table.partition_by("cell_id", "rep", as_dict=True)


@pytest.fixture(scope="module")
def expected() -> dict[str, pl.DataFrame]:
    """What each real capture must become, by its name."""
    with zipfile.ZipFile(REAL_PACKETS) as archive:
        table = pl.read_csv(io.BytesIO(archive.read(archive.namelist()[0])))
    return {str(name): rows for (name,), rows in table.partition_by("file", as_dict=True).items()}


@reads_real_captures
@pytest.mark.parametrize("unpacked", [False, True], ids=["archive", "folder"])
def test_the_real_captures_become_exactly_the_expected_packets(
    tmp_path: Path, expected: dict[str, pl.DataFrame], unpacked: bool
) -> None:
    """All 200 captures, 79 358 packets: sizes, signs and times to the microsecond, in the order of the files."""
    source = REAL_PCAPS
    if unpacked:
        subprocess.run(["tar", "-xf", REAL_PCAPS, "-C", tmp_path], check=True)
        source = tmp_path / "secretstroll_pcaps"
    done = srs("convert", source, "-o", tmp_path / "d.csv.zip", "--json")
    values = json.loads(done.stdout)
    assert (values["traces"], values["classes"], values["packets"]) == (200, 100, 79_358)
    assert (values["dropped"], values["cut"]) == ([], {})
    assert values["left_out"] == {"acks": 0, "foreign": 0, "not_ip": 0, "timeless": 0}
    assert sorted(values["clients"].values()) == [100, 100]
    traces = traces_of(tmp_path / "d.csv.zip")
    names = [(int(rows["cell_id"][0]), name) for name, rows in expected.items()]
    for cell in range(1, 101):
        for rep, name in enumerate(sorted(name for of_cell, name in names if of_cell == cell)):
            made, wanted = traces[(cell, rep)], expected[name]
            assert made["direction_size"].to_list() == wanted["direction_size"].to_list(), name
            assert microseconds(made) == microseconds(wanted), name
    assert len(traces) == len(expected) == 200


def microseconds(table: pl.DataFrame) -> list[int]:
    return np.rint(table["timestamp"].to_numpy() * 1e6).astype(int).tolist()

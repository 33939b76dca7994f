"""Captures to a table: order, numbers, what is dropped; and the file that is written."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from srs.client import convert as module
from srs.client.convert import Conversion, Dropped, convert, write
from srs.client.convert_names import DEFAULT_PATTERN, Manifest, Naming, Pattern
from srs.errors import InputError
from srs.traces.archive import open_table
from srs.traces.schema import defence_columns
from srs.traces.tables import read_table
from worlds.captures import ACK, CLIENT, GUARD, Frame, ethernet, ip, pcap, pcapng, tcp, visit
from worlds.traffic import RULES

PATTERN = Pattern.of(DEFAULT_PATTERN)
OTHER_CLIENT = "10.0.0.9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two visits of class 2, one of class 1, a note."""
    path = tmp_path / "captures"
    path.mkdir()
    (path / "trace_b_grid_2.pcap").write_bytes(pcap(visit(6)))
    (path / "trace_a_grid_2.pcapng").write_bytes(pcapng(visit(5)))
    (path / "trace_a_grid_1.pcap").write_bytes(pcap(visit(4, client=OTHER_CLIENT)))
    (path / "notes.txt").write_text("captured on Monday")
    return path


def converted(*inputs: Path, naming: Naming = PATTERN, clients: tuple[str, ...] = ()) -> Conversion:
    return convert(inputs, naming, "cell_id", clients=[ipaddress.ip_address(client) for client in clients])


def test_a_folder_becomes_a_table(folder: Path) -> None:
    found = converted(folder)
    traces = found.table.group_by("cell_id", "rep", maintain_order=True).len().rows()
    assert traces == [(1, 0, 4), (2, 0, 5), (2, 1, 6)]
    assert (found.traces, found.classes, len(found.table)) == (3, 2, 15)
    assert found.table.columns == ["cell_id", "rep", "direction_size", "timestamp"]
    assert found.table.head(3).rows() == [(1, 0, 152, 0.0), (1, 0, -159, 0.01), (1, 0, -166, 0.02)]
    assert found.clients == {CLIENT: 2, OTHER_CLIENT: 1}
    assert found.dropped == [Dropped(f"{folder.as_posix()}/notes.txt", f"Its name does not match {DEFAULT_PATTERN}.")]
    assert found.left_out == {"acks": 0, "foreign": 0, "not_ip": 0, "timeless": 0}
    assert found.cut == {}


def test_repetitions_count_in_the_order_of_file_names_whatever_their_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("z/trace_a_grid_1.pcap", "y/trace_c_grid_1.pcap", "x/trace_b_grid_1.pcap")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(pcap(visit(number + 1)))
    assert converted(tmp_path).table.group_by("rep", maintain_order=True).len().rows() == [(0, 1), (1, 3), (2, 2)]


def test_a_manifest_has_its_own_numbers(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,class,rep\ntrace_b_grid_2.pcap,7,3\ntrace_a_grid_1.pcap,7,1\ngone.pcap,1,1\n")
    found = converted(folder, naming=Manifest.read(tmp_path / "m.csv"))
    assert found.table.group_by("cell_id", "rep", maintain_order=True).len().rows() == [(7, 1, 4), (7, 3, 6)]
    assert Dropped("gone.pcap", "The manifest names it, but it is not there.") in found.dropped
    assert len(found.dropped) == 3


def test_what_cannot_be_used_is_dropped_with_the_reason(folder: Path) -> None:
    (folder / "trace_c_grid_1.pcap").write_bytes(b"no capture")
    (folder / "trace_d_grid_1.pcap").write_bytes(pcap([]))
    (folder / "trace_e_grid_1.pcap").write_bytes(pcap(visit(2), link_type=105))
    only_acks = [Frame(0, ethernet(ip(CLIENT, GUARD, tcp(0, ACK))))]
    (folder / "trace_f_grid_1.pcap").write_bytes(pcap(only_acks))
    reasons = {
        each.name.rpartition("/")[2]: each.why for each in converted(folder, folder / "trace_b_grid_2.pcap").dropped
    }
    assert "no pcap or pcapng file" in reasons["trace_c_grid_1.pcap"]
    assert reasons["trace_d_grid_1.pcap"] == "It holds 0 IP packets; none has a private address."
    assert "link type 105" in reasons["trace_e_grid_1.pcap"]
    assert reasons["trace_f_grid_1.pcap"] == f"It holds 1 IP packet; none that counts is of {CLIENT}."
    assert reasons["trace_b_grid_2.pcap"] == "It was given twice."


def test_a_named_client(folder: Path) -> None:
    found = converted(folder, clients=(OTHER_CLIENT, "fd00::1"))
    assert (found.traces, found.clients) == (1, {f"{OTHER_CLIENT} and fd00::1": 1})
    assert len(found.dropped) == 3


def test_what_is_left_out_of_a_trace_is_counted(tmp_path: Path) -> None:
    frames = [
        *visit(6),
        Frame(0, ethernet(ip(CLIENT, GUARD, tcp(0, ACK)))),
        Frame(0, ethernet(ip("8.8.8.8", GUARD, tcp(1)))),
        Frame(0, ethernet(b"arp", protocol=0x0806)),
    ]
    (tmp_path / "trace_a_grid_1.pcap").write_bytes(pcap(frames) + b"cut")
    found = converted(tmp_path)
    assert found.left_out == {"acks": 1, "foreign": 1, "not_ip": 1, "timeless": 0}
    assert found.cut == {f"{tmp_path.as_posix()}/trace_a_grid_1.pcap": 3}
    kept = convert([tmp_path], Pattern.of(DEFAULT_PATTERN), "cell_id", with_acks=True)
    assert (len(found.table), len(kept.table), kept.left_out["acks"]) == (6, 7, 0)


def test_nothing_to_convert_is_no_error(tmp_path: Path) -> None:
    found = converted(tmp_path)
    assert (found.traces, len(found.table), found.dropped) == (0, 0, [])


def test_packets_are_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKETS_MAX", 14)
    with pytest.raises(InputError, match="more than 14 packets"):
        converted(folder)


@pytest.mark.parametrize("name", ["d.csv", "d.csv.zip", "dé.csv.zip", "d.parquet"])
def test_each_format_can_be_read_again(folder: Path, tmp_path: Path, name: str) -> None:
    found, out = converted(folder), tmp_path / name
    out.write_bytes(b"an older one")
    write(found.table, out)
    opened = open_table(out, name, packed_max_bytes=10**6, unpacked_max_bytes=10**6)
    table = read_table(opened, defence_columns(RULES))
    assert isinstance(table, pl.DataFrame)
    assert_frame_equal(table, found.table, abs_tol=1e-9)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["captures", name])


def test_equal_captures_make_equal_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("one.csv.zip", "two.csv.zip"):
        write(converted(folder).table, tmp_path / name)
    assert (tmp_path / "one.csv.zip").read_bytes() == (tmp_path / "two.csv.zip").read_bytes()

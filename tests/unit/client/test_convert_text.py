"""What is told of a conversion, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from srs.client.convert import Conversion, Dropped
from srs.client.convert_text import LINES_MAX, as_json, as_text

NEXT = "Next: srs convert --help says how captures and their client are named."
NOTHING = {"acks": 0, "foreign": 0, "not_ip": 0, "timeless": 0}


def conversion(
    dropped: int = 0, left_out: dict[str, int] | None = None, cut: dict[str, int] | None = None
) -> Conversion:
    return Conversion(
        table=pl.DataFrame({"cell_id": [1, 1, 2]}),
        traces=2,
        classes=2,
        clients={"10.0.0.2": 2},
        left_out=NOTHING | (left_out or {}),
        cut=cut or {},
        dropped=[Dropped(f"file{number}", "It is no regular file.") for number in range(dropped)],
    )


def test_only_what_there_is_to_tell_is_told() -> None:
    assert as_text(conversion(), Path("my defence.csv"), "cell", None).splitlines() == [
        "my defence.csv: 2 traces of 2 cells, 3 packets.",
        "Client: 10.0.0.2 in 2 captures.",
        "Next: srs check defence 'my defence.csv'",
    ]


def test_everything_that_was_left_out_is_told() -> None:
    left_out = {"acks": 1200, "foreign": 1, "not_ip": 1, "timeless": 2}
    text = as_text(conversion(1, left_out, {"a.pcap": 12}), Path("d.csv"), "cell", Path("race.toml"))
    assert "  1 200 packets: TCP acknowledgements without payload (--keep-acks keeps them)" in text
    assert "  1 packet: neither from the client nor to it" in text
    assert "  1 frame: no IP packet, or not all of its header" in text
    assert "  2 packets: without a time" in text
    assert "  a.pcap: the last 12 bytes" in text
    assert "Dropped 1 file:\n  file0: It is no regular file." in text
    assert text.endswith("Next: srs check defence d.csv --race race.toml")


def test_a_long_list_is_cut_and_counted() -> None:
    text = as_text(conversion(LINES_MAX + 3), None, "cell", None)
    assert text.startswith("No capture could be used; nothing was written.\n")
    assert text.endswith(f"file{LINES_MAX - 1}: It is no regular file.\n  ... and 3 more\n{NEXT}")


def test_no_name_reaches_the_terminal_as_a_command() -> None:
    """S9, of the client."""
    name = "evil\x1b[31m\u202e" + "x" * 100 + "/trace.pcap"
    text = as_text(conversion(cut={name: 1, "\x1b]0;x\x07": 1}), Path("d\x1b.csv"), "cell", None)
    assert not set(text) & set("\x1b\x07\u202e")
    assert "…" in text
    assert "/trace.pcap: the last 1 byte" in text


def test_as_json() -> None:
    values = json.loads(as_json(conversion(1, {"acks": 3}, {"a": 1}), Path("d.csv")))
    assert values == {
        "written": "d.csv",
        "traces": 2,
        "classes": 2,
        "packets": 3,
        "clients": {"10.0.0.2": 2},
        "left_out": NOTHING | {"acks": 3},
        "cut": {"a": 1},
        "dropped": [{"name": "file0", "why": "It is no regular file."}],
    }
    assert json.loads(as_json(conversion(), None))["written"] is None

"""Captures become a defence file: found, read, seen from their client, numbered, written."""

from __future__ import annotations

import collections
import dataclasses
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from srs.client.convert_inputs import Entry, entries
from srs.client.convert_names import Label, Naming
from srs.errors import FileError, InputError
from srs.traces.pcap import read_capture
from srs.traces.pcap_client import ClientTrace, as_seen_by, find_clients
from srs.traces.pcap_packets import Address, Capture
from srs.traces.report import counted, grouped
from srs.traces.schema import REP, SIZE, TIME
from srs.traces.writers import write_csv_zip

PACKETS_MAX = 20_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """A file of which nothing was taken, and why: a sentence."""

    name: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Conversion:
    """What became of the captures.

    ``table`` has a row for each packet: class, rep, signed bytes, seconds since the trace's first packet; sorted by
    class and rep. ``clients`` counts the captures of each client. ``left_out`` counts packets of the traces by the
    reason why they are not in the table, ``cut`` the bytes at the end of a damaged capture, by its name.
    """

    table: pl.DataFrame
    traces: int
    classes: int
    clients: Mapping[str, int]
    left_out: Mapping[str, int]
    cut: Mapping[str, int]
    dropped: Sequence[Dropped]


def convert(
    inputs: Iterable[Path],
    naming: Naming,
    class_column: str,
    *,
    clients: Collection[Address] = (),
    with_acks: bool = False,
    on_read: Callable[[str], object] = lambda _: None,
) -> Conversion:
    """Turn every capture in files, folders and archives into a trace.

    Where no ``clients`` are given they are found (``pcap_client.find_clients``). ``on_read`` is told the name of each
    file. A file that cannot be used is dropped. Raises ``InputError`` where the client cannot be told, ``FileError``
    where an archive is damaged.
    """
    labels, captures, dropped = _read_all(inputs, naming, on_read)
    found = {} if clients or not captures else find_clients(captures)
    whose = {name: clients or [found[name]] if name in found else clients for name in captures}
    traces = {name: as_seen_by(whose[name], capture, with_acks=with_acks) for name, capture in captures.items()}
    for name in [name for name, trace in traces.items() if not len(trace.size)]:
        dropped.append(Dropped(name, _why_empty(captures[name], whose[name])))
        del traces[name], captures[name]
    return Conversion(
        table=_table(_numbered({name: labels[name] for name in traces}), traces, class_column),
        traces=len(traces),
        classes=len({labels[name].of_class for name in traces}),
        clients=collections.Counter(" and ".join(map(str, whose[name])) for name in traces),
        left_out=_left_out(captures.values(), traces.values()),
        cut={name: capture.unread_bytes for name, capture in captures.items() if capture.unread_bytes},
        dropped=dropped,
    )


def _read_all(
    inputs: Iterable[Path], naming: Naming, on_read: Callable[[str], object]
) -> tuple[dict[str, Label], dict[str, Capture], list[Dropped]]:
    labels: dict[str, Label] = {}
    captures: dict[str, Capture] = {}
    dropped: list[Dropped] = []
    packets = 0
    for path in inputs:
        for entry in entries(path):
            on_read(entry.name)
            label = "It was given twice." if entry.unpacked_name in labels else _label_of(entry, naming)
            if not isinstance(label, Label):
                dropped.append(Dropped(entry.name, label))
                continue
            try:
                capture = read_capture(entry.read())
            except FileError as error:
                dropped.append(Dropped(entry.name, str(error)))
                continue
            labels[entry.unpacked_name], captures[entry.unpacked_name] = label, capture
            packets += len(capture.size)
            if packets > PACKETS_MAX:
                raise InputError("convert.packets", f"The captures hold more than {grouped(PACKETS_MAX)} packets.")
    dropped += [Dropped(name, "The manifest names it, but it is not there.") for name in naming.missing()]
    return labels, captures, dropped


def _label_of(entry: Entry, naming: Naming) -> Label | str:
    """By the name as it is there, or by that of the capture which is packed in it."""
    label = naming.label(entry.name)
    if isinstance(label, Label) or entry.unpacked_name == entry.name:
        return label
    unpacked = naming.label(entry.unpacked_name)
    return unpacked if isinstance(unpacked, Label) else label


def _why_empty(capture: Capture, clients: Collection[Address]) -> str:
    packets = counted(len(capture.size), "IP packet")
    whose = f"none that counts is of {' or '.join(map(str, clients))}" if clients else "none has a private address"
    return f"It holds {packets}; {whose}."


def _left_out(captures: Iterable[Capture], traces: Iterable[ClientTrace]) -> dict[str, int]:
    counts = collections.Counter(acks=0, foreign=0, not_ip=0, timeless=0)
    for capture, trace in zip(captures, traces, strict=True):
        counts.update(acks=trace.acks, foreign=trace.foreign, not_ip=capture.not_ip, timeless=capture.timeless)
    return dict(counts)


def _numbered(labels: Mapping[str, Label]) -> dict[str, tuple[int, int]]:
    """Class and repetition of each capture, in their order; what has no number gets one in the order of file names."""
    next_rep: collections.Counter[int] = collections.Counter()
    numbered = {}
    for name in sorted(labels, key=lambda name: (name.rpartition("/")[2], name)):
        of_class, rep = labels[name]
        numbered[name] = (of_class, next_rep[of_class] if rep is None else rep)
        next_rep[of_class] += 1
    return dict(sorted(numbered.items(), key=lambda item: item[1]))


def _table(
    numbered: Mapping[str, tuple[int, int]], traces: Mapping[str, ClientTrace], class_column: str
) -> pl.DataFrame:
    lengths = [len(traces[name].size) for name in numbered]
    of_class, rep = np.array(list(numbered.values()), dtype=np.int32).reshape(-1, 2).T
    size, time_us = np.empty(sum(lengths), dtype=np.int32), np.empty(sum(lengths), dtype=np.int64)
    if numbered:
        np.concatenate([traces[name].size for name in numbered], out=size)
        np.concatenate([traces[name].time_us for name in numbered], out=time_us)
    columns = {class_column: np.repeat(of_class, lengths), REP: np.repeat(rep, lengths)}
    return pl.DataFrame(columns | {SIZE: size, TIME: time_us / 1e6})


def write(table: pl.DataFrame, out: Path) -> None:
    """Write a table as ``out`` says by its ending: .csv, .parquet, else .csv.zip. The file is whole or not there."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".srs-convert-") as folder:
        written = Path(folder) / "defence.csv.zip"
        if out.suffix == ".csv":
            table.write_csv(written, float_precision=6)
        elif out.suffix == ".parquet":
            ticks = (pl.col(TIME) * 1_000_000).round().cast(pl.Int64)
            table.with_columns(ticks).write_parquet(written)
        else:
            write_csv_zip(table, written)
        written.replace(out)

"""What became of captures, as a terminal or a program reads it."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from srs.client.convert import Conversion
from srs.client.verdicts import plain
from srs.traces.report import QUOTED_MAX, counted, grouped, plural, quoted, visible

LINES_MAX = 20
_LEFT_OUT = {
    "acks": ("packet", "TCP acknowledgements without payload (--keep-acks keeps them)"),
    "foreign": ("packet", "neither from the client nor to it"),
    "not_ip": ("frame", "no IP packet, or not all of its header"),
    "timeless": ("packet", "without a time"),
}


def as_json(conversion: Conversion, written: Path | None) -> str:
    """One JSON object; ``written`` is null where no file was."""
    values = {
        "written": None if written is None else str(written),
        "traces": conversion.traces,
        "classes": conversion.classes,
        "packets": len(conversion.table),
        "clients": conversion.clients,
        "left_out": conversion.left_out,
        "cut": conversion.cut,
        "dropped": [dataclasses.asdict(each) for each in conversion.dropped],
    }
    return json.dumps(values, indent=2)


def as_text(conversion: Conversion, written: Path | None, noun: str, race: Path | None) -> str:
    """The same in words, and what to do next. ``noun`` is the race's word for one class."""
    lines = []
    if written is None:
        lines.append("No capture could be used; nothing was written.")
    else:
        classes = f"{conversion.classes} {noun if conversion.classes == 1 else plural(noun)}"
        packets = counted(len(conversion.table), "packet")
        lines.append(f"{visible(str(written))}: {counted(conversion.traces, 'trace')} of {classes}, {packets}.")
        where = (f"{client} in {counted(count, 'capture')}" for client, count in conversion.clients.items())
        lines.append(f"Client: {'; '.join(where)}.")
    left_out = [
        f"{counted(count, _LEFT_OUT[why][0])}: {_LEFT_OUT[why][1]}"
        for why, count in conversion.left_out.items()
        if count
    ]
    lines += _listing("Left out of the traces:", left_out)
    cut = (f"{_shown(name)}: the last {counted(size, 'byte')}" for name, size in conversion.cut.items())
    lines += _listing("Damaged or cut off at the end; the whole packets before that were kept:", cut)
    dropped = (f"{_shown(each.name)}: {each.why}" for each in conversion.dropped)
    lines += _listing(f"Dropped {counted(len(conversion.dropped), 'file')}:", dropped)
    if written is None:
        lines.append("Next: srs convert --help says how captures and their client are named.")
    else:
        rules = f" --race {shlex.quote(str(race))}" if race else ""
        lines.append(f"Next: srs check defence {shlex.quote(str(written))}{rules}")
    return plain("\n".join(lines))


def _shown(name: str) -> str:
    """A path, of a long one the end."""
    return quoted(name) if len(name) <= QUOTED_MAX else "…" + quoted(name[1 - QUOTED_MAX :])


def _listing(head: str, items: Iterable[str]) -> list[str]:
    """The head and the first items; nothing where there are none."""
    everything = list(items)
    rest = len(everything) - LINES_MAX
    more = [f"  ... and {grouped(rest)} more"] if rest > 0 else []
    return [head, *(f"  {item}" for item in everything[:LINES_MAX]), *more] if everything else []

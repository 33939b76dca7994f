"""Which class a capture is of, and which repetition: told by its name, or by a manifest."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from srs.errors import InputError
from srs.traces.report import quoted
from srs.traces.schema import INT32_MAX

DEFAULT_PATTERN = "trace_{rep}_grid_{class}.pcap"
MANIFEST_COLUMNS = ("file", "class", "rep")
_PLACEHOLDERS = {"class": "(?P<class>[0-9]+)", "rep": "[^/]+"}


class Label(NamedTuple):
    """What a capture is of; ``rep`` is None where repetitions are still to be numbered."""

    of_class: int
    rep: int | None


class Naming(Protocol):
    """A way to tell from the name of a capture what it is of."""

    def label(self, name: str) -> Label | str:
        """The label of a capture at this path, or a sentence why it has none."""
        ...

    def missing(self) -> Iterable[str]:
        """Names that were expected and never asked for."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """Names such as ``trace_{rep}_grid_{class}.pcap``: ``{class}`` is a number, ``{rep}`` any text.

    As many last parts of a path are compared as the pattern has. Where it ends in ``.pcap``, ``.pcapng`` does as well.
    """

    text: str
    regex: re.Pattern[str]

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Read a pattern. Raises ``InputError`` (``convert.pattern``) where its braces make no sense."""
        pieces = re.split(r"\{(class|rep)\}", text)
        named, between = pieces[1::2], pieces[::2]
        if named.count("class") != 1 or named.count("rep") > 1 or any("{" in each or "}" in each for each in between):
            raise InputError(
                "convert.pattern",
                f"The pattern {quoted(text)} cannot be used; expected {{class}} once, {{rep}} at most once, and no "
                f"other braces, as in {DEFAULT_PATTERN}",
            )
        if "" in between[1:-1]:
            raise InputError(
                "convert.pattern",
                f"The pattern {quoted(text)} cannot be used: nothing tells where {{rep}} ends and {{class}} begins; "
                "put what stands between them in the names",
                hint="Where nothing does, a manifest can name each capture: --manifest captures.csv",
            )
        pieces[::2] = map(re.escape, between)
        pieces[1::2] = [_PLACEHOLDERS[name] for name in named]
        regex = re.sub(r"\\\.pcap$", r"\\.pcap(?:ng)?", "".join(pieces))
        return cls(text, re.compile(regex))

    def label(self, name: str) -> Label | str:
        """The class; repetitions are numbered later."""
        parts = name.split("/")
        found = self.regex.fullmatch("/".join(parts[-1 - self.text.count("/") :]))
        if not found:
            return f"Its name does not match {quoted(self.text)}."
        of_class = _number(found["class"], 1)
        return Label(of_class, None) if of_class else f"{quoted(found['class'])} is no class; they count from 1."

    def missing(self) -> Iterable[str]:
        """A pattern expects no name in particular."""
        return ()


class Manifest:
    """A table that names the captures, each with its class and its repetition."""

    def __init__(self, labels: Mapping[str, Label]) -> None:
        self._labels = labels
        self._parts_max = max((name.count("/") + 1 for name in labels), default=0)
        self._taken: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a CSV with the columns ``file, class, rep``; further columns do no harm.

        Raises ``InputError`` (``convert.manifest``) where a column is missing, where class or rep is no number, and
        where a file, or a repetition of a class, is named twice.
        """
        labels: dict[str, Label] = {}
        named: set[str | Label] = set()
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            try:
                if not set(MANIFEST_COLUMNS) <= set(rows.fieldnames or ()):
                    raise _unusable(path, 1, f"expected the columns {', '.join(MANIFEST_COLUMNS)}")
                for row in rows:
                    name, label = _entry(path, rows.line_num, row)
                    if name in named or label in named:
                        raise _unusable(path, rows.line_num, f"{quoted(name)} or its class and rep are named twice")
                    labels[name] = label
                    named |= {name, label}
            except (csv.Error, UnicodeDecodeError) as damage:
                raise _unusable(path, rows.line_num, f"this is no CSV in UTF-8 ({damage})") from None
        return cls(labels)

    def label(self, name: str) -> Label | str:
        """The label of the file that is named by the most parts of this path, counted from its end."""
        parts = name.rsplit("/", self._parts_max)[-self._parts_max :]
        ways = ("/".join(parts[first:]) for first in range(len(parts)))
        entry = next((way for way in ways if way in self._labels), None)
        if entry is None:
            return "The manifest does not name it."
        if self._taken.setdefault(entry, name) != name:
            return f"The manifest's {quoted(entry)} is {quoted(self._taken[entry])} already."
        return self._labels[entry]

    def missing(self) -> Iterable[str]:
        """Files of the manifest that were not among the captures."""
        return [name for name in self._labels if name not in self._taken]


def _entry(path: Path, line: int, row: Mapping[str, str | None]) -> tuple[str, Label]:
    name = (row["file"] or "").strip().replace("\\", "/").removeprefix("./")
    of_class, rep = _number(row["class"], 1), _number(row["rep"], 0)
    if not name or of_class is None or rep is None:
        raise _unusable(path, line, "expected the name of a file, its class (from 1) and its rep (from 0)")
    return name, Label(of_class, rep)


def _number(text: str | None, least: int) -> int | None:
    """The integer that is written there, or None where none in the range is."""
    found = re.fullmatch(r"\s*([0-9]{1,10})\s*", text or "", re.ASCII)
    return int(found[1]) if found and least <= int(found[1]) <= INT32_MAX else None


def _unusable(path: Path, line: int, why: str) -> InputError:
    return InputError("convert.manifest", f"{quoted(path.name)}, line {line}: {why}.")

"""Only after a failure: which line, which column, and what is wrong there.

The file is read again in blocks by the fast reader; only a block that fails is read line by line.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from srs.traces.parse import parse
from srs.traces.report import PLACES_MAX, Problem, Report, grouped, quoted
from srs.traces.schema import ColumnRule, Columns

LINE_MAX_BYTES = 1_000_000
# Beyond this many faults the file is not a slip but another format; the search ends.
FAULTS_MAX = 2_000
# A block can hold the longest line, so that it ends with one.
_BLOCK_BYTES = LINE_MAX_BYTES + 1

# Each of these has one way to match, so that a million digits cost no more than their length.
_INTEGER = re.compile(r"[ \t]*([+-]?)([0-9]+)", re.ASCII)
_NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.IGNORECASE)
_FIELDS = re.compile(r'("[^"]*"|[^",]*)(,|$)')
# No range of a column reaches further, so longer integers need not be computed.
_DIGITS_MAX = 18


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule at one place; ``what`` ends the sentence that the place begins."""

    code: str
    column: str | None
    what: str


class Found:
    """The faults of a file: one problem for each rule and column, further places counted.

    ``unit`` is what a table's places are called: ``Line`` or, in Parquet, ``Row``.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.first: dict[tuple[str, str | None], tuple[int, str]] = {}
        self.further: dict[tuple[str, str | None], list[int]] = {}
        self.count = 0

    def add(self, line: int, fault: Fault) -> None:
        """Note one fault; ``line`` counts from 1."""
        key = fault.code, fault.column
        if key in self.first:
            self.further[key].append(line)
        else:
            self.first[key] = line, fault.what
            self.further[key] = []
        self.count += 1

    def problems(self) -> tuple[Problem, ...]:
        """One problem for each rule and column, in the order in which they were met."""
        return tuple(
            Problem(code, self._sentence(line, column, what), line, column, *self._further(code, column))
            for (code, column), (line, what) in self.first.items()
        )

    def _sentence(self, line: int, column: str | None, what: str) -> str:
        where = f"{self.unit} {grouped(line)}" + (f", column {column}" if column else "")
        return f"{where}: {what}"

    def _further(self, code: str, column: str | None) -> tuple[int, tuple[int, ...]]:
        lines = self.further[code, column]
        return len(lines), tuple(lines[:PLACES_MAX])


def overlong_line(data: bytes) -> Report | None:
    """Refuse a file with a line of more than a million bytes, before any reader tries to hold its fields."""
    start = 0
    while len(data) - start > LINE_MAX_BYTES:
        newline = data.rfind(b"\n", start, start + LINE_MAX_BYTES + 1)
        if newline < 0:
            line = data.count(b"\n", 0, start) + 1
            what = f"the line has more than {grouped(LINE_MAX_BYTES)} bytes; end each line with a newline."
            found = Found("Line")
            found.add(line, Fault("table.line-length", None, what))
            return Report(found.problems())
        start = newline + 1
    return None


def locate(data: bytes, names: Sequence[str], columns: Columns) -> Report:
    """Find every fault below the header; ``names`` is the order of the columns in the file.

    ``data`` is the whole file, checked by ``overlong_line``. Line numbers count from 1 and include the header.
    """
    found = Found("Line")
    stopped_at: int | None = None
    for line, fault in _faults(data, names, columns):
        found.add(line, fault)
        if found.count == FAULTS_MAX:
            stopped_at = line
            break
    if not found.count:
        return Report((Problem("table.unreadable", "The table cannot be read, and no single line is at fault."),))
    return Report(found.problems(), _stopped(stopped_at))


def _stopped(line: int | None) -> tuple[Problem, ...]:
    if line is None:
        return ()
    sentence = f"{grouped(FAULTS_MAX)} faults up to line {grouped(line)}; nothing after it was looked at."
    return (Problem("table.many-faults", sentence, line),)


def _faults(data: bytes, names: Sequence[str], columns: Columns) -> Iterator[tuple[int, Fault]]:
    start, line = data.find(b"\n") + 1, 2
    while start < len(data):
        end = start + _BLOCK_BYTES
        end = len(data) if end >= len(data) else data.rfind(b"\n", start, end) + 1
        block = data[start:end]
        if parse(block, names, columns, skip_lines=0) is None:
            yield from _faults_in(block, line, names, columns)
        line += block.count(b"\n")
        start = end


def _faults_in(block: bytes, line: int, names: Sequence[str], columns: Columns) -> Iterator[tuple[int, Fault]]:
    for number, text in enumerate(block.removesuffix(b"\n").split(b"\n"), start=line):
        for fault in _faults_of_line(text.removesuffix(b"\r"), names, columns):
            yield number, fault


def _faults_of_line(line: bytes, names: Sequence[str], columns: Mapping[str, ColumnRule]) -> Iterator[Fault]:
    if b"\0" in line:
        yield Fault("table.nul", None, f"a NUL byte; is this a text file? Found: {quoted(line)}")
        return
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        yield Fault("table.encoding", None, f"byte {error.start + 1} is not UTF-8; save the file as UTF-8.")
        return
    fields = split_fields(text)
    if fields is None:
        yield Fault("table.quote", None, f"a quotation mark without its partner: {quoted(text)}")
    elif not text:
        yield Fault("table.empty-line", None, f"the line is empty; expected {len(names)} fields.")
    elif len(fields) != len(names):
        yield Fault("table.field-count", None, f"expected {len(names)} fields, found {grouped(len(fields))}.")
    else:
        for name, field in zip(names, fields, strict=True):
            yield from _faults_of_field(field, name, columns[name])


def split_fields(line: str) -> list[str] | None:
    """The fields of one line, each as a whole in quotation marks or without any; None where a mark is alone."""
    if '"' not in line:
        return line.split(",")
    spans = field_spans(line)
    return None if spans is None else [line[begin:end].strip('"') for begin, end in spans]


def field_spans(line: str) -> list[tuple[int, int]] | None:
    """Where each field of a line begins and ends, with its quotation marks; None where a mark is alone."""
    spans, at = [], 0
    while match := _FIELDS.match(line, at):
        spans.append(match.span(1))
        at = match.end()
        if not match[2]:
            return spans
    return None


def _faults_of_field(field: str, name: str, rule: ColumnRule) -> Iterator[Fault]:
    if not field.strip(" \t"):
        yield Fault("table.empty-field", name, f"the field is empty. {rule.expected}")
        return
    kind, what = _value(field, rule)
    if kind:
        yield Fault(f"{rule.code}-{kind}", name, f"found {quoted(field)}, {what}. {rule.expected}")


def _value(field: str, rule: ColumnRule) -> tuple[str, str]:
    """What is wrong with one value: the end of the code and words for it; both empty where nothing is."""
    if rule.kind == "integer":
        match = _INTEGER.fullmatch(field)
        value = _bounded_integer(match[1], match[2]) if match else math.nan
    else:
        value = float(field) if _NUMBER.fullmatch(field) else math.nan
    if math.isnan(value):
        return _shape(field, rule)
    if math.isinf(value):
        return "finite", "which is not a finite number"
    if rule.nonzero and value == 0:
        return "zero", "which is not allowed"
    if not rule.least <= value <= rule.most:
        return "range", "which is out of range"
    return "", ""


def _bounded_integer(sign: str, digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    magnitude = int(digits) if len(digits) <= _DIGITS_MAX else 10**_DIGITS_MAX
    return -magnitude if sign == "-" else magnitude


def _shape(field: str, rule: ColumnRule) -> tuple[str, str]:
    if _NOT_FINITE.fullmatch(field):
        return "finite", "which is not a finite number"
    if rule.kind == "integer" and _NUMBER.fullmatch(field):
        return "shape", "which is not written as a whole number"
    return "shape", "which is not a number as expected here"

"""Cells and lines that trip parsers: refused with a place, quickly, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from fixtures.sizes import FULL, record, size
from srs.traces.defences import read_defence
from worlds.traffic import HEADER, RULES, as_lines, defence_csv, defence_rows

SECONDS_MAX, RSS_MAX_BYTES = (2.0, 512_000_000) if FULL else (1.0, 300_000_000)
AT = 50
"""The line that is spoilt."""

CELLS = [
    "NaN", "nan", "inf", "-inf", "Infinity", "1e309", "-1e309", "0x10", "1_000", "١٢", "１", "5.7e", "1,5", "1 000",
    "1'000", "+-1", "=1+1", "@1", '"', '1"', '"1', '""1""', "\x00", "\x1b[31m", "\u202e", "\ufeff1", "1\xa0", "\\N",
    "None", "true", "-", "+", ".", "e", "1e1e1", "9" * 400 + "x", "0b1", "1L", "1f", "#REF!", "%s", "{}", "../..",
    "null",
]  # fmt: skip


@pytest.mark.parametrize("column", range(4))
def test_hostile_cells_are_refused_with_their_place(column: int) -> None:
    """F7: no such text is ever read as a number."""
    for cell in CELLS:
        lines = as_lines(defence_rows())
        fields = lines[AT - 1].split(",")
        fields[column] = cell
        lines[AT - 1] = ",".join(fields)
        _, report = read_defence("\n".join(lines).encode(), RULES, "hostile.csv")
        assert [problem.line for problem in report.problems] == [AT], cell
        assert all(character.isprintable() for character in str(report.problems[0])), cell
    record("F7", len(CELLS), note=f"hostile cells in {HEADER.split(',')[column]}")


@pytest.mark.parametrize("cell", ["-0", "+0", "0", "-0.0", "0e5"])
def test_a_zero_is_no_size_and_a_right_time(cell: str) -> None:
    rows = defence_csv().decode().splitlines()
    assert rows[1].endswith(",0.000000")
    rows[1] = f"1,0,576,{cell}"
    assert read_defence("\n".join(rows).encode(), RULES, "zero.csv")[1].accepted
    rows[1] = f"1,0,{cell},0.0"
    assert [problem.line for problem in read_defence("\n".join(rows).encode(), RULES, "zero.csv")[1].problems] == [2]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n\r\n",
        lambda text: text.rstrip("\n"),
        lambda text: "\n".join('"' + line.replace(",", '","') + '"' for line in text.splitlines()),
        lambda text: text.replace("cell_id,rep", " cell_id , rep"),
        lambda text: text.replace(",0.", ", +.").replace(",-", ", -"),
    ],
)
def test_harmless_habits_of_programs_are_accepted(change: Callable[[str], str]) -> None:
    """F7: a BOM, CRLF, blank lines at the end, quotation marks around every field."""
    plain, _ = read_defence(defence_csv(), RULES, "plain.csv")
    changed, report = read_defence(change(defence_csv().decode()).encode(), RULES, "changed.csv")
    assert report.accepted
    assert plain is not None
    assert changed is not None
    assert (changed.size == plain.size).all()
    assert (changed.time_us == plain.time_us).all()


ENDLESS_BYTES = size(20, 100) * 1_000_000
"""How long a giant is that only the end of the file ends; ``ENDLESS`` in what makes it."""
GIANTS: dict[str, tuple[str, int]] = {
    "an endless line": ("data = head + b'1,0,576,0.' + b'0' * ENDLESS", 2),
    "an endless line after others": ("data = good + b'7' * ENDLESS", 98),
    "an endless header": ("data = b'a' * ENDLESS", 1),
    "a million columns in the header": ("data = b'a,' * 1_000_000 + b'\\n' + good", 1),
    "400 000 short columns in the header": ("data = b',' * 400_000 + b'\\n' + good", 1),
    "a million fields in a line": ("data = good + b'1,' * 1_000_000 + b'\\n'", 98),
    "400 000 fields in a line": ("data = good + b'1,' * 400_000 + b'\\n'", 98),
    "a million digits, then a letter": ("data = head + b'1,' + b'0' * 499_990 + b'x,' + b'1' * 499_990 + b'x,0'", 2),
    "a million digits of a time": ("data = head + b'1,0,0,' + b'1' * 499_980 + b'.' + b'1' * 499_980 + b'e'", 2),
    "a million digits of a right time": ("data = head + b'1,0,0,0.' + b'1' * 999_980", 2),
    "a million spaces": ("data = head + b'1,0,0,' + b' ' * 999_980 + b'x'", 2),
    "a million quotation marks": ("data = head + b'\"' * 999_999", 2),
    "a quotation mark, then lines": ("data = head + b'\"' + good * (ENDLESS // 2000)", 2),
    "quotation marks": ("data = head + b'\"\"\\n' * (ENDLESS // 3)", 2),
    "line ends": ("data = head + b'\\n' * ENDLESS + b'1'", 2),
    "NULs": ("data = head + (b'\\0' * 99 + b'\\n') * (ENDLESS // 100)", 2),
}

MEASURE = """
import json, re, sys, time
from pathlib import Path
sys.path.insert(0, "tests")
from worlds.traffic import HEADER, RULES, defence_csv
from srs.traces.defences import read_defence
head, good = HEADER.encode() + b"\\n", defence_csv()
limits = RULES.traces.model_copy(update={"upload_max_mb": 300, "unpacked_max_mb": 300})
rules = RULES.model_copy(update={"traces": limits})
read_defence(good, rules, "warm.csv")
ENDLESS, makes = json.load(sys.stdin)
for make in makes:
    data = report = None
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, at what is in memory now
    exec(make)
    begin = time.process_time()  # not the clock, on which other tests may have their turn
    _, report = read_defence(data, rules, "giant.csv")
    took = time.process_time() - begin
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    print(json.dumps([took, peak, report.problems[0].line, len(str(report.problems[0]))]))
"""


def test_giants_are_refused_with_their_place() -> None:
    """F7: 100 MB each within 2 s and 512 MB (everyday: 20 MB within 1 s and 300 MB), the file itself included."""
    asked = json.dumps([ENDLESS_BYTES, [make for make, _ in GIANTS.values()]])
    command = [sys.executable, "-c", MEASURE]
    printed = subprocess.run(command, input=asked, check=True, capture_output=True, text=True).stdout
    for (giant, (_, line)), measured in zip(GIANTS.items(), printed.splitlines(), strict=True):
        took, peak, found, length = json.loads(measured)
        record("F7", 1, note=f"{giant}: {took:.2f} s, {peak / 1e6:.0f} MB")
        assert (found, took <= SECONDS_MAX, peak <= RSS_MAX_BYTES) == (line, True, True), (giant, took, peak)
        assert length < 500, giant

"""Whatever bytes a student sends as a defence: a trace set or a report, quickly, and never an exception."""

from __future__ import annotations

import os
import re
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.sizes import record, size
from srs.traces.defences import read_defence
from worlds.traffic import HEADER, RULES, defence_csv

CASES = size(100, 20_000)
SECONDS_MAX = 2.0

NASTY = [
    "", " ", "\t", "0", "-0", "+5", "-", "5.", ".5", ".", "5.7", "1e5", "1E-400", "1e309", "0x10", "1_000", "NaN",
    "inf", "-Infinity", "null", "NA", "true", "١٢", "２", "1 2", "1 ", " 1", '"', '"1"', '""', '"1', '1"', '"1""2"',
    "9" * 30, "0" * 30 + "1", "-9223372036854775809", "2147483648", "1" + "0" * 400, "=1+1", "\u202e1", "é", "#",
    "1;2", "1\r", "\ufeff1", "e5", "1e", "0.1.2", "--1", "1-1", "\x1b[31m", "\x85", "\u2028", "\xa01",
]  # fmt: skip
BREAKS = ["\n", "\r\n", "\r", "\n\n", "", ",", ",,", ";", "\0", "\x0b", "\x0c"]

fields = st.one_of(
    st.integers(-70_000, 70_000).map(str), st.floats().map(repr), st.sampled_from(NASTY), st.text(max_size=5)
)
lines = st.lists(fields, min_size=0, max_size=6).map(",".join)
made_up = st.builds(
    lambda head, body, end: (head + "\n" + "".join(line + stop for line, stop in body) + end).encode(
        "utf-8", "surrogatepass"
    ),
    st.one_of(st.just(HEADER), lines, st.permutations(HEADER.split(",")).map(",".join)),
    st.lists(st.tuples(lines, st.sampled_from(["\n", "\n", "\n", *BREAKS])), max_size=12),
    st.sampled_from(BREAKS),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid file with up to four edits, each anywhere."""
    data = bytearray(defence_csv())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.one_of(st.sampled_from(NASTY + BREAKS).map(lambda text: text.encode()), st.binary(max_size=4)))
        data[at : at + draw(st.sampled_from([0, 0, 1, 2, 5, 40]))] = piece
    return bytes(data)


@st.composite
def one_field_changed(draw: st.DrawFn) -> bytes:
    """A valid file in which one field of one line is another text."""
    rows = defence_csv().decode().splitlines()
    line = draw(st.integers(1, len(rows) - 1))
    columns = rows[line].split(",")
    columns[draw(st.integers(0, 3))] = draw(fields)
    rows[line] = ",".join(columns)
    return "\n".join(rows).encode("utf-8", "surrogatepass")


@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize="SRS_FULL" not in os.environ,
)
@given(st.one_of(one_field_changed(), damaged(), made_up, st.binary(max_size=300)))
def check_any_bytes(data: bytes) -> None:
    begin = time.process_time()  # not the clock, on which other tests may have their turn
    traces, report = read_defence(data, RULES, "fuzz.csv")
    assert time.process_time() - begin <= SECONDS_MAX
    assert report.accepted == (traces is not None)
    for problem in report.problems:
        assert problem.code != "table.unreadable", "the fast reader refused what the slow one accepts"
        assert problem.sentence.endswith(".") or problem.code.startswith("table.")
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202e]", str(problem))
        if problem.line is not None:
            assert 1 <= problem.line <= data.count(b"\n") + 1


def test_any_bytes_become_a_verdict() -> None:
    """F4: 20 000 cases at full size; each takes 2 s at most."""
    check_any_bytes()
    record("F4", CASES, note="CSV parser, an exception or 2 s each would be lost")

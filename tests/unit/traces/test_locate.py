"""The slow pass. What each fault is called: tests/faults/test_planted_faults.py."""

from __future__ import annotations

import pytest

from srs.traces.locate import FAULTS_MAX, LINE_MAX_BYTES, locate, overlong_line, split_fields
from srs.traces.schema import defence_columns
from worlds.traffic import HEADER, RULES

COLUMNS = defence_columns(RULES)
NAMES = HEADER.split(",")
GOOD = b"1,0,576,0.5\n"


def test_every_block_is_searched() -> None:
    """Each block has room for a million bytes; there are three and a half."""
    wide = b"0" * 108 + b"\n"
    lines = [GOOD.replace(b"\n", wide)] * 30_000
    lines[0] = lines[15_000] = lines[29_999] = b"1,0,5.7,0.5" + wide
    (problem,) = locate(HEADER.encode() + b"\n" + b"".join(lines), NAMES, COLUMNS).problems
    assert (problem.line, problem.places, problem.more) == (2, (15_002, 30_001), 2)
    assert problem.sentence == (
        "Line 2, column direction_size: found 5.7, which is not written as a whole number. "
        "Use + for sent, - for received, 1 to 65535 bytes."
    )


def test_the_longest_line_is_a_block_of_its_own() -> None:
    longest = b"1,0,576," + b"0" * (LINE_MAX_BYTES - 9) + b"x\n"
    data = HEADER.encode() + b"\n" + longest * 3
    assert overlong_line(data) is None
    (problem,) = locate(data, NAMES, COLUMNS).problems
    assert (problem.line, problem.places) == (2, (3, 4))
    assert len(problem.sentence) < 300
    report = overlong_line(data + b"x" + longest)
    assert report is not None
    assert report.problems[0].line == 5


def test_a_file_of_faults_is_not_read_to_its_end() -> None:
    report = locate(HEADER.encode() + b"\n" + b"1,0,0,0\n" * (FAULTS_MAX + 10), NAMES, COLUMNS)
    assert report.problems[0].more == FAULTS_MAX - 1
    assert [(warning.code, warning.line) for warning in report.warnings] == [("table.many-faults", FAULTS_MAX + 1)]


def test_a_table_without_a_fault_says_so() -> None:
    assert [found.code for found in locate(HEADER.encode() + b"\n" + GOOD, NAMES, COLUMNS).problems] == [
        "table.unreadable"
    ]
    # The fast reader may dislike a block in which no line is at fault; a blank one at the very end, say.
    assert locate(HEADER.encode() + b"\n" + GOOD + b'"1",0,576,0.5', NAMES, COLUMNS).problems[0].line is None


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (b"1,0,5\x0076,0.5", "table.nul", r"Line 3: a NUL byte; is this a text file? Found: 1,0,5\x0076,0.5"),
        (b"1,0,576,\xff", "table.encoding", "Line 3: byte 9 is not UTF-8; save the file as UTF-8."),
        (b'1,0,"576,0.5', "table.quote", 'Line 3: a quotation mark without its partner: 1,0,"576,0.5'),
        (b"", "table.empty-line", "Line 3: the line is empty; expected 4 fields."),
        (b"1,0,576", "table.field-count", "Line 3: expected 4 fields, found 3."),
        (b'1,0,"5,7",6,0.5', "table.field-count", "Line 3: expected 4 fields, found 5."),
    ],
)
def test_a_line_that_is_no_row_is_told(line: bytes, code: str, said: str) -> None:
    for end in (b"\n", b"\r\n"):
        lines = [HEADER.encode(), GOOD.removesuffix(b"\n"), line, GOOD.removesuffix(b"\n"), b""]
        (problem,) = locate(end.join(lines), NAMES, COLUMNS).problems
        assert (problem.code, problem.line, problem.column, problem.sentence) == (code, 3, None, said)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("", [""]),
        ("a,b", ["a", "b"]),
        (",", ["", ""]),
        ('"a","b"', ["a", "b"]),
        ('"a",b', ["a", "b"]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a', None),
        ('a"b', None),
        ('"a"b', None),
        ('"a""b"', None),
    ],
)
def test_fields_are_quoted_as_a_whole_or_not_at_all(line: str, fields: list[str] | None) -> None:
    assert split_fields(line) == fields

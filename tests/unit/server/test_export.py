"""F9: what a spreadsheet opens is never a formula, and numbers stay numbers."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srs.server.cli.export import csv_text

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "\0"]


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("rest", ["", "1+1", 'HYPERLINK("http://example.org")', 'a,b"c', "cmd|' /C calc'!A0"])
def test_f9_text_that_would_run_is_neutralised(start: str, rest: str) -> None:
    """F9: every first character that a spreadsheet obeys."""
    [[name, number]] = read(csv_text([[start + rest, -1.5]]))
    assert name == "'" + start + rest
    assert float(number) == -1.5


def test_f9_numbers_stay_numbers() -> None:
    """F9: a negative number is no formula; full precision comes back."""
    row = [1, -2, 0.1 + 0.2, -1e-9, None]
    [[one, two, third, small, nothing]] = read(csv_text([row]))
    assert [int(one), int(two), float(third), float(small), nothing] == [1, -2, 0.1 + 0.2, -1e-9, ""]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_f9_any_name_comes_back_and_none_begins_a_formula(name: str) -> None:
    [[back]] = read(csv_text([["x", name]]))[0:1] and [read(csv_text([["x", name]]))[0][1:]]
    assert back in (name, f"'{name}")
    assert not back.startswith(tuple(STARTS))

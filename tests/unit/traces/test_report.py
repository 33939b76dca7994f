"""Problems and reports: their words, their limits, their journey as JSON."""

from __future__ import annotations

import json

import pytest

from srs.traces.report import (
    QUOTED_MAX,
    Excerpt,
    Problem,
    Report,
    counted,
    grouped,
    in_parts,
    listed,
    plural,
    quoted,
    so_often,
    visible,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with spaces", "plain, with spaces"),
        (b"bytes \xc3\xa9 \xff", "bytes é \\xff"),
        ("\x1b[31mred\n", "\\x1b[31mred\\n"),
        ("\u202eback\u2028", "\\u202eback\\u2028"),
        ("\ud800", "\\ud800"),
        ("a" * QUOTED_MAX, "a" * QUOTED_MAX),
        ("a" * (QUOTED_MAX + 1), "a" * (QUOTED_MAX - 1) + "…"),
        ("\0" * 40, ("\\x00" * 15)[: QUOTED_MAX - 1] + "…"),
        (b"b" * 1_000_000, "b" * (QUOTED_MAX - 1) + "…"),
    ],
)
def test_a_stranger_s_text_is_shown_harmless_and_short(text: str | bytes, shown: str) -> None:
    assert quoted(text) == shown
    assert len(quoted(text)) <= QUOTED_MAX


def test_numbers_and_nouns() -> None:
    assert grouped(1234567) == "1 234 567"
    assert [counted(1, "trace"), counted(1234, "class")] == ["1 trace", "1 234 classes"]
    assert [plural(noun) for noun in ("cell", "box", "query", "day", "web page")] == [
        "cells", "boxes", "queries", "days", "web pages",
    ]  # fmt: skip
    assert listed([1, 2, 3]) == "1, 2, 3"
    assert listed(range(1, 14), 3) == "1, 2, 3 and 10 more"
    assert [in_parts(5000.0), in_parts(2.5)] == ["5 000", "2.5"]
    assert [so_often(1.0), so_often(5000.0), so_often(2.5)] == ["once", "5 000 times", "2.5 times"]


def test_what_a_terminal_would_obey_becomes_visible() -> None:
    assert visible("a \x1b[31m\u202e\u200b\ud800é") == "a \\x1b[31m\\u202e\\u200b\\ud800é"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.b", "Line 3: wrong."), "Line 3: wrong."),
        (Problem("a.b", "Wrong.", more=1), "Wrong. 1 more place."),
        (Problem("a.b", "Wrong.", more=2, places=(4, 1005)), "Wrong. 2 more places: 4, 1 005."),
        (Problem("a.b", "Wrong.", more=9, places=(4,), hint="Do it."), "Wrong. 9 more places: 4, …. Do it."),
    ],
)
def test_a_problem_reads_as_a_sentence(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_report_survives_json() -> None:
    excerpt = Excerpt(3, "1,", "x", ",0")
    problem = Problem("a.b", "One.", 3, "rep", 2, (4, 5), "Do.", (excerpt,))
    report = Report((problem,), (Problem("c.d", "Two."),), (Problem("e.f", "Three."),))
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert report.to_json()["problems"][0] == {
        "code": "a.b", "message": "One.", "line": 3, "column": "rep", "more": 2, "places": [4, 5], "hint": "Do.",
        "excerpts": [{"line": 3, "before": "1,", "marked": "x", "after": ",0"}],
    }  # fmt: skip
    assert not report.accepted
    assert Report().accepted


def test_a_report_stored_without_excerpts_is_still_read() -> None:
    stored = Report((Problem("a.b", "One.", 3),)).to_json()
    del stored["problems"][0]["excerpts"]
    assert Report.from_json(stored) == Report((Problem("a.b", "One.", 3),))


def test_at_most_twenty_problems_are_kept() -> None:
    report = Report(tuple(Problem("a.b", f"{number}.") for number in range(25)))
    assert (len(report.problems), report.omitted) == (20, 5)
    assert Report.from_json(report.to_json()) == report

"""Every code has its remedy, and problems of a code are told once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from srs.game.race import RaceRules
from srs.traces.predictions import prediction_columns
from srs.traces.remedies import REMEDIES, grouped_problems, may_hide_more, remedy_of
from srs.traces.report import Excerpt, Problem
from srs.traces.schema import defence_columns

SOURCES = Path(__file__).resolve().parents[3] / "src" / "srs"
RULES = RaceRules(slug="any", title="Any", rounds=())


def codes() -> set[str]:
    """Every code that a checker may write: those in the sources, and for each column those of its values."""
    files = [
        path
        for folder in ("traces", "judging", "server/services", "server/worker")
        for path in (SOURCES / folder).glob("*.py")
    ]
    literal = re.compile(
        r'(?:Problem|Fault|FileError|_at|_problem|_of_traces)\(\s*"((?:file|table|trace|split|attack)\.[a-z-]+)"'
    )
    written = {code for path in files for code in literal.findall(path.read_text(encoding="utf-8"))}
    written |= {
        "file.rejected-by-staff",
        "table.empty-field",
        "file.zip-structure",
        "trace.none-sent",
        "trace.none-received",
    }
    for rule in [*defence_columns(RULES).values(), *prediction_columns(RULES).values()]:
        kinds = ("shape", "finite", "range", "zero") if rule.nonzero else ("shape", "finite", "range")
        written |= {f"{rule.code}-{kind}" for kind in kinds}
    return written


def test_every_code_that_a_checker_may_write_has_a_remedy_and_no_other() -> None:
    assert len(codes()) > 55
    assert codes() == set(REMEDIES)


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_a_remedy_is_a_heading_and_whole_sentences(code: str) -> None:
    remedy = REMEDIES[code]
    assert remedy.heading[0].isupper()
    assert not remedy.heading.endswith(".")
    assert len(remedy.heading) < 80
    assert remedy.mend[0].isupper()
    assert remedy.mend.endswith((".", "defence.csv", "convert", ")"))
    assert "  " not in remedy.mend


def test_the_remedy_of_a_code_that_nobody_knows_any_more() -> None:
    assert remedy_of("gone.long-ago").heading == "Something is wrong with this file"


def test_problems_of_a_code_are_one_group_with_their_lines_in_order() -> None:
    first = Problem(
        "table.empty-field", "In rep.", 9, "rep", 6, (12,), "", (Excerpt(9, "1,", "", ""), Excerpt(12, "", "", "x"))
    )
    other = Problem("trace.classes-missing", "No traces for cell 3.")
    again = Problem(
        "table.empty-field", "In time.", 4, "timestamp", excerpts=(Excerpt(4, "1,2,", "", ""), Excerpt(9, "1,", "", ""))
    )
    fields, classes = grouped_problems([first, other, again], "query")
    assert (fields.code, fields.problems) == ("table.empty-field", (first, again))
    assert (fields.count, fields.places, fields.unseen) == (8, "8 lines", "5 more lines")
    assert [each.line for each in fields.excerpts] == [4, 9, 12]
    assert (classes.places, classes.excerpts, classes.unseen) == ("1 query", (), "")
    assert fields.remedy.heading == "A field is empty"
    assert classes.remedy.heading == "Queries have no traces"
    assert classes.remedy.mend.startswith("Every query needs its traces: ")
    assert classes.remedy.mend.endswith("or whether your queries are counted from 0 instead of 1.")


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_a_remedy_in_the_word_of_a_race_has_no_other(code: str) -> None:
    told = remedy_of(code).told_of("app")
    text = " ".join((told.heading, told.mend, told.noun))
    assert not re.search(r"\bclass(es)?\b|\ba app", text, re.IGNORECASE)
    assert remedy_of(code).told_of("class") == REMEDIES[code]


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("file.damaged", True),
        ("table.header", True),
        ("trace.size-zero", True),
        ("trace.copies", False),
        ("attack.sum", False),
    ],
)
def test_a_file_whose_lines_cannot_be_read_may_have_more_to_mend(code: str, more: bool) -> None:
    assert may_hide_more([Problem(code, "X.")]) is more


def test_nothing_hides_behind_nothing() -> None:
    assert not may_hide_more([])

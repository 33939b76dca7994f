"""The rules of traces. One fault at a time, with its place: tests/faults/test_planted_faults.py."""

from __future__ import annotations

import numpy as np
import pytest

from srs.game.race import Classes, RaceRules, Traces
from srs.traces.defences import read_defence
from srs.traces.report import Problem, Report
from srs.traces.trace_set import TraceSet
from worlds.traffic import RULES, Row, as_csv, defence_rows, trace_rows


def report_of(rows: list[Row], rules: RaceRules = RULES) -> Report:
    return read_defence(as_csv(rows), rules, "x.csv")[1]


def only(problems: tuple[Problem, ...]) -> Problem:
    (problem,) = problems
    return problem


def accepted(rows: list[Row], rules: RaceRules = RULES) -> tuple[TraceSet, Report]:
    traces, report = read_defence(as_csv(rows), rules, "x.csv")
    assert traces is not None, report
    return traces, report


def moved(rows: list[Row], trace: tuple[int, int], times: dict[int, float]) -> list[Row]:
    """The rows with other times at some places of one trace."""
    places = [number for number, row in enumerate(rows) if row[:2] == trace]
    result = list(rows)
    for place, time in times.items():
        result[places[place]] = (*rows[places[place]][:3], time)
    return result


def with_names(*names: str, singular: str = "web page") -> RaceRules:
    return RULES.model_copy(update={"classes": Classes(count=3, names=names, singular=singular)})


def test_classes_without_traces_are_listed() -> None:
    problem = only(report_of([row for row in defence_rows() if row[0] == 2]).problems)
    assert (problem.sentence, problem.more) == ("No traces for cells 1, 3.", 1)
    named = report_of([row for row in defence_rows() if row[0] != 2], with_names("a.org", "b.org", "c.org"))
    assert named.problems[0].sentence == "No traces for web page 2 (b.org)."


def test_repetitions_are_counted_for_each_class() -> None:
    rows = [row for row in defence_rows() if row[:2] not in {(1, 0), (3, 1), (3, 2)}]
    problem = only(report_of(rows).problems)
    assert str(problem) == "Cell 1 has 3 traces; 4 to 8 are required. 1 more place. Also cells 3."
    assert report_of(defence_rows(repetitions=8)).accepted
    assert not report_of(defence_rows(repetitions=9)).accepted


def test_short_traces_are_named() -> None:
    rows = [row for row in defence_rows() if row[:2] not in {(1, 1), (2, 2)}]
    rows += trace_rows(2, 2)[:1] + trace_rows(1, 1)[:2] + trace_rows(2, 2)[1:2]
    problem = only(report_of(rows).problems)
    # The lines of 80 rows of others, then one of (2, 2), two of (1, 1), one of (2, 2).
    assert problem.sentence == "Trace (cell 1, rep 1) has 2 packets; at least 6 are required."
    assert (problem.line, problem.more, problem.places) == (83, 1, (82,))


@pytest.mark.parametrize(("sign", "word"), [(1, "received"), (-1, "sent")])
def test_a_direction_must_not_be_silent(sign: int, word: str) -> None:
    rows = [(c, r, sign * abs(s) if (c, r) == (2, 3) else s, t) for c, r, s, t in defence_rows()]
    problem = only(report_of(rows).problems)
    assert (problem.code, problem.sentence) == (
        f"trace.none-{word}",
        f"Trace (cell 2, rep 3) has no {word} packet (direction_size with {'-' if sign > 0 else '+'}).",
    )


def test_the_longest_duration_is_inclusive() -> None:
    assert report_of(moved(defence_rows(), (1, 2), {7: 600.0})).accepted
    problem = only(report_of(moved(defence_rows(), (1, 2), {7: 600.5})).problems)
    assert problem.sentence == "Trace (cell 1, rep 2) lasts 600.5 s; at most 600 s are accepted."
    assert (problem.line, problem.column) == (25, "timestamp")


def test_small_steps_back_are_sorted_with_a_warning() -> None:
    rows = moved(defence_rows(), (2, 0), {3: 1.0, 4: 1.02, 5: 0.97, 6: 1.1, 7: 1.2})
    traces, report = accepted(rows)
    trace = int(np.flatnonzero((traces.class_of_trace == 2) & (traces.rep_of_trace == 0))[0])
    packets = slice(*traces.starts[trace : trace + 2])
    assert (np.diff(traces.time_us[packets]) >= 0).all()
    assert traces.size[packets].tolist()[3:6] == [rows[32 + place][2] for place in (5, 3, 4)]
    warning = only(report.warnings)
    assert (warning.code, warning.line) == ("trace.sorted", 34)


def test_a_step_back_of_fifty_milliseconds_is_the_largest() -> None:
    """From the latest time so far, so that small steps do not add up."""
    assert report_of(moved(defence_rows(), (2, 0), {3: 1.5, 4: 1.45, 5: 1.5, 6: 1.6, 7: 2.0})).accepted
    small_steps = {place: 2.0 - 0.03 * place for place in range(3, 8)}
    problem = only(report_of(moved(defence_rows(), (2, 0), small_steps)).problems)
    assert problem.sentence == (
        "Trace (cell 2, rep 0): time runs back by 60 ms at line 39 (two captures under one cell and rep?)."
    )
    long_ago = only(report_of(moved(defence_rows(), (2, 0), {5: -5.0})).problems)
    assert long_ago.line == 39
    assert " s at line 39" in long_ago.sentence


def test_too_many_traces_are_not_looked_into_one_by_one() -> None:
    rows = moved(defence_rows(repetitions=20), (2, 0), {5: -5.0})
    assert [problem.code for problem in report_of(rows).problems] == ["trace.repetitions"]


def test_absolute_times_are_shifted_and_told() -> None:
    offset = 1_649_000_000.25
    plain, _ = accepted(defence_rows())
    shifted, report = accepted([(c, r, s, t + offset if c < 3 else t + 0.04) for c, r, s, t in defence_rows()])
    warning = only(report.warnings)
    assert (warning.code, warning.line, warning.column, warning.more) == ("trace.absolute-times", 2, "timestamp", 7)
    assert "Trace (cell 1, rep 0) starts at 1649000000.250000 s, not at 0" in warning.sentence
    assert shifted.time_us.tolist() == plain.time_us.tolist()
    assert shifted.content_hashes == plain.content_hashes


def copies() -> list[Row]:
    """(3, 3) is a copy of (1, 0), (2, 1) of (2, 0)."""
    rows = {pair: trace_rows(*pair) for pair in ((c, r) for c in (1, 2, 3) for r in range(4))}
    rows[3, 3] = [(3, 3, *row[2:]) for row in rows[1, 0]]
    rows[2, 1] = [(2, 1, *row[2:]) for row in rows[2, 0]]
    return [row for trace in rows.values() for row in trace]


def tiny() -> list[Row]:
    return [(c, r, 1 if s > 0 else -1, t / 1000) for c, r, s, t in defence_rows()]


@pytest.mark.parametrize(
    ("rows", "rule", "sentences"),
    [
        (copies(), "copies", ["2 traces are exact copies of another one, first (2, 0) = (2, 1), (1, 0) = (3, 3)."]),
        (
            [row for row in copies() if row[:2] != (2, 1)] + trace_rows(2, 1),
            "copies",
            ["1 trace is an exact copy of another one, first (1, 0) = (3, 3)."],
        ),
        (
            tiny(),
            "plausibility",
            [
                "The median volume of a trace is 8 bytes; a real capture has at least 1 000.",
                "The median duration of a trace is 1.7 ms; a real capture has at least 50 ms.",
            ],
        ),
    ],
)
def test_what_no_capture_has_is_a_signal_or_a_problem(rows: list[Row], rule: str, sentences: list[str]) -> None:
    traces, report = read_defence(as_csv(rows), RULES, "x.csv")
    assert traces is not None
    assert [signal.sentence for signal in report.signals] == sentences
    strict = RULES.model_copy(update={"traces": Traces(repetitions=(4, 8)).model_copy(update={rule: "reject"})})
    traces, report = read_defence(as_csv(rows), strict, "x.csv")
    assert traces is None
    assert [problem.sentence for problem in report.problems] == sentences
    assert report.signals == ()


def test_all_rules_speak_at_once() -> None:
    rows = moved(defence_rows(), (1, 0), {7: 900.0})
    rows = moved([row for row in rows if row[0] != 3], (2, 0), {5: -5.0})
    rows = [row for row in rows if row[:2] != (2, 2)]
    assert [problem.code for problem in report_of(rows).problems] == [
        "trace.classes-missing", "trace.repetitions", "trace.duration", "trace.runs-back",
    ]  # fmt: skip

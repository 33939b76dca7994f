"""Verdicts in words and as JSON, free of anything a terminal would obey."""

from __future__ import annotations

import json

from srs.client.verdicts import attack_as_json, attack_as_text, defence_as_json, defence_as_text, plain
from srs.game.race import RaceRules
from srs.judging.attack import AttackVerdict
from srs.judging.defence import Verdict
from srs.judging.meaning import meaning
from srs.scoring.utility import utility_metrics
from srs.traces.remedies import REMEDIES
from srs.traces.report import Excerpt, Problem, Report

RULES = RaceRules(slug="any", title="Any", rounds=())
FAULTS = Report(
    problems=tuple(Problem("trace.size-zero", f"Line {n}: 0 is not a size.", n, "direction_size") for n in range(25)),
    warnings=(Problem("trace.absolute-time", "Times were absolute; each trace now starts at 0."),),
    signals=(Problem("trace.copies", "for staff only"),),
)
ACCEPTED = Verdict(
    accepted=True,
    report=Report(warnings=FAULTS.warnings, signals=FAULTS.signals),
    traces=1234,
    packets=5,
    metrics=utility_metrics([1e6], [1e5], [10]),
    utility=64 / 12,
)
REJECTED = Verdict(accepted=False, report=FAULTS)


def test_control_and_invisible_characters_are_removed() -> None:
    assert plain("a\x1b[31m\r\n\x9b\u202eb\u200b\x00é") == "a[31m\nbé"


def test_an_accepted_defence_in_words() -> None:
    assert defence_as_text("d\x1b.csv", ACCEPTED, RULES).splitlines() == [
        "d\\x1b.csv: accepted.",
        "  Note: Times were absolute; each trace now starts at 0.",
        "1 234 traces, 5 packets.",
        "",
        "           received bytes        sent bytes           seconds",
        *(
            f"{kind:<7}     1,000,000.000       100,000.000            10.000"
            for kind in ("max", "min", "mean", "median")
        ),
        "",
        "Utility (srs2022): 5.3333 of 10.",
        "",
        *meaning("This defence", ACCEPTED.metrics, ACCEPTED.utility, RULES),
    ]
    assert "This defence carries 2.4 times the bytes of undefended traffic" in defence_as_text("d", ACCEPTED, RULES)


def test_a_rejected_defence_in_words() -> None:
    """Problems of a code are one group, with the lines of the file and one remedy; what is told late is announced."""
    lines = defence_as_text("d.csv", REJECTED, RULES).splitlines()
    assert lines[:4] == [
        "d.csv: rejected.",
        "",
        "A packet's size is 0 (20 lines; trace.size-zero)",
        "  Line 0: 0 is not a size.",
    ]
    assert lines[23].startswith("  How to mend it: A size is the whole number of bytes of one packet")
    assert lines[24:] == [
        "",
        "... and 5 more problems.",
        "",
        "When this is mended, check again: only then can the traces be looked at as a whole.",
        "  Note: Times were absolute; each trace now starts at 0.",
    ]


def test_the_lines_of_the_file_are_shown_with_carets() -> None:
    """Nothing that a file says reaches a terminal as a command."""
    problem = Problem(
        "trace.size-shape", "Line 7, column direction_size: found x\x1b[2J.", 7, "direction_size", 9, (1234, 1235),
        excerpts=(Excerpt(7, "1,2,", "x\x1b[2J", ",3"), Excerpt(1234, "1,2,", "", ",3"), Excerpt(1235, "", "", "1,2")),
    )  # fmt: skip
    missing = Problem("trace.classes-missing", "No traces for cells 3, 4.", more=1, hint="Look.")
    text = defence_as_text("d.csv", Verdict(accepted=False, report=Report((problem, missing))), RULES)
    assert text.splitlines() == [
        "d.csv: rejected.",
        "",
        "A packet's size is not written as a number (10 lines; trace.size-shape)",
        "  Line 7, column direction_size: found x[2J.",
        "        7 | 1,2,x[2J,3",
        "          |     ^^^^^",
        "    1 234 | 1,2,,3",
        "          |     ^",
        "    1 235 | 1,2",
        "    ... and 7 more lines.",
        f"  How to mend it: {REMEDIES['trace.size-shape'].mend}",
        "",
        "Cells have no traces (2 cells; trace.classes-missing)",
        "  No traces for cells 3, 4.",
        "  Look.",
        f"  How to mend it: {REMEDIES['trace.classes-missing'].told_of('cell').mend}",
        "",
        "When this is mended, check again: only then can the traces be looked at as a whole.",
    ]


def test_json_for_programs() -> None:
    accepted, rejected = json.loads(defence_as_json(ACCEPTED)), json.loads(defence_as_json(REJECTED))
    assert (accepted["accepted"], accepted["traces"], accepted["packets"]) == (True, 1234, 5)
    assert accepted["metrics"] == ACCEPTED.metrics
    assert accepted["utility"] == ACCEPTED.utility
    assert "signals" not in accepted
    assert (rejected["accepted"], len(rejected["problems"]), rejected["omitted"]) == (False, 20, 5)
    assert {rejected[name] for name in ("traces", "packets", "metrics", "utility")} == {None}
    assert rejected["problems"][0].items() >= {"code": "trace.size-zero", "line": 0, "column": "direction_size"}.items()


def test_an_attack_in_words_and_as_json() -> None:
    verdict = AttackVerdict(accepted=True, report=Report(), traces={4: 300, 12: 1})
    assert attack_as_text("a.csv", verdict, RULES).splitlines() == [
        "a.csv: accepted.",
        "Match against team 4: 300 traces.",
        "Match against team 12: 1 trace.",
    ]
    assert json.loads(attack_as_json(verdict))["traces"] == 301
    rejected = json.loads(attack_as_json(AttackVerdict(accepted=False, report=FAULTS)))
    assert (rejected["traces"], rejected["matches"]) == (None, {})

"""Verdicts in words and as JSON, free of anything a terminal would obey."""

from __future__ import annotations

import json

from srs.client.verdicts import attack_as_json, attack_as_text, defence_as_json, defence_as_text, plain
from srs.judging.attack import AttackVerdict
from srs.judging.defence import Verdict
from srs.scoring.utility import utility_metrics
from srs.traces.report import Problem, Report

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
    assert defence_as_text("d\x1b.csv", ACCEPTED).splitlines() == [
        "d.csv: accepted.",
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
    ]


def test_a_rejected_defence_in_words() -> None:
    lines = defence_as_text("d.csv", REJECTED).splitlines()
    assert lines[:2] == ["d.csv: rejected.", "  trace.size-zero: Line 0: 0 is not a size."]
    assert lines[21] == "  ... and 5 more problems."
    assert lines[22:] == ["  Note: Times were absolute; each trace now starts at 0."]


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
    assert attack_as_text("a.csv", verdict).splitlines() == [
        "a.csv: accepted.",
        "Match against team 4: 300 traces.",
        "Match against team 12: 1 trace.",
    ]
    assert json.loads(attack_as_json(verdict))["traces"] == 301
    rejected = json.loads(attack_as_json(AttackVerdict(accepted=False, report=FAULTS)))
    assert (rejected["traces"], rejected["matches"]) == (None, {})

"""Verdicts as a terminal or a program reads them. Nothing that a file says reaches a terminal as a command."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from srs.game.race import RaceRules
from srs.judging.attack import AttackVerdict
from srs.judging.defence import Verdict
from srs.judging.meaning import meaning
from srs.traces.remedies import Group, grouped_problems, may_hide_more
from srs.traces.report import Excerpt, Report, counted, grouped, visible

_COLUMNS = {"received bytes": "in_volume", "sent bytes": "out_volume", "seconds": "duration"}


def plain(text: str) -> str:
    """The text without control, format and other invisible characters; lines stay lines."""
    return "".join(each for each in text if each == "\n" or unicodedata.category(each)[0] != "C")


def defence_as_json(verdict: Verdict) -> str:
    """One JSON object; ``traces``, ``packets``, ``metrics`` and ``utility`` are null where the file is rejected."""
    names = ("traces", "packets", "metrics", "utility")
    return _json(verdict.report, **{name: getattr(verdict, name) if verdict.accepted else None for name in names})


def attack_as_json(verdict: AttackVerdict) -> str:
    """The same keys as for a defence, and ``matches``: traces by the attacked team's number."""
    traces = sum(verdict.traces.values()) if verdict.accepted else None
    return _json(verdict.report, traces=traces, packets=None, metrics=None, utility=None, matches=verdict.traces)


def defence_as_text(name: str, verdict: Verdict, rules: RaceRules) -> str:
    """The verdict in words, with the twelve metrics as a table and what they mean."""
    lines = _opening(name, verdict.report, rules)
    if verdict.accepted:
        lines.append(f"{counted(verdict.traces, 'trace')}, {counted(verdict.packets, 'packet')}.")
        lines += ["", _row("", list(_COLUMNS))]
        for kind in ("max", "min", "mean", "median"):
            lines.append(_row(kind, [f"{verdict.metrics[f'{kind}_{column}']:,.3f}" for column in _COLUMNS.values()]))
        lines += ["", f"Utility (srs2022): {verdict.utility:.4f} of 10."]
        lines += ["", *meaning("This defence", verdict.metrics, verdict.utility, rules)]
    return plain("\n".join(lines))


def attack_as_text(name: str, verdict: AttackVerdict, rules: RaceRules) -> str:
    """The verdict in words, with the matches in the file."""
    lines = _opening(name, verdict.report, rules)
    lines += [f"Match against team {team}: {counted(traces, 'trace')}." for team, traces in verdict.traces.items()]
    return plain("\n".join(lines))


def _opening(name: str, report: Report, rules: RaceRules) -> list[str]:
    lines = [f"{visible(name)}: {'accepted' if report.accepted else 'rejected'}."]
    for group in grouped_problems(report.problems, rules.classes.singular):
        lines += ["", *_in_words(group)]
    if report.omitted:
        lines += ["", f"... and {counted(report.omitted, 'more problem')}."]
    if may_hide_more(report.problems):
        lines += ["", "When this is mended, check again: only then can the traces be looked at as a whole."]
    return lines + [f"  Note: {warning}" for warning in report.warnings]


def _in_words(group: Group) -> list[str]:
    """One kind of problem: what is wrong, where, what the file says there, how to mend it."""
    lines = [f"{group.remedy.heading} ({group.places}; {group.code})"]
    lines += [f"  {text}" for problem in group.problems for text in (problem.sentence, problem.hint) if text]
    width = max((len(grouped(each.line)) for each in group.excerpts), default=0)
    lines += [line for each in group.excerpts for line in _shown(each, width)]
    if group.unseen:
        lines.append(f"    ... and {group.unseen}.")
    return [*lines, f"  How to mend it: {group.remedy.mend}"]


def _shown(excerpt: Excerpt, width: int) -> list[str]:
    """A line of the file, and below it a caret for each character at fault."""
    text = f"    {grouped(excerpt.line):>{width}} | {excerpt.before}{excerpt.marked}{excerpt.after}"
    if not (excerpt.marked or (excerpt.before and excerpt.after)):
        return [text]
    return [text, f"    {'':>{width}} | {' ' * len(excerpt.before)}{'^' * max(1, len(excerpt.marked))}"]


def _row(head: str, cells: list[str]) -> str:
    return f"{head:<7}" + "".join(f"{cell:>18}" for cell in cells)


def _json(report: Report, **numbers: Any) -> str:
    values = report.to_json()
    del values["signals"]  # for staff
    return json.dumps(values | numbers, indent=2)

"""Verdicts as a terminal or a program reads them. Nothing that a file says reaches a terminal as a command."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from srs.judging.attack import AttackVerdict
from srs.judging.defence import Verdict
from srs.traces.report import Report, counted

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


def defence_as_text(name: str, verdict: Verdict) -> str:
    """The verdict in words, with the twelve metrics as a table."""
    lines = _opening(name, verdict.report)
    if verdict.accepted:
        lines.append(f"{counted(verdict.traces, 'trace')}, {counted(verdict.packets, 'packet')}.")
        lines += ["", _row("", list(_COLUMNS))]
        for kind in ("max", "min", "mean", "median"):
            lines.append(_row(kind, [f"{verdict.metrics[f'{kind}_{column}']:,.3f}" for column in _COLUMNS.values()]))
        lines += ["", f"Utility (srs2022): {verdict.utility:.4f} of 10."]
    return plain("\n".join(lines))


def attack_as_text(name: str, verdict: AttackVerdict) -> str:
    """The verdict in words, with the matches in the file."""
    lines = _opening(name, verdict.report)
    lines += [f"Match against team {team}: {counted(traces, 'trace')}." for team, traces in verdict.traces.items()]
    return plain("\n".join(lines))


def _opening(name: str, report: Report) -> list[str]:
    lines = [f"{name}: {'accepted' if report.accepted else 'rejected'}."]
    lines += [f"  {problem.code}: {problem}" for problem in report.problems]
    if report.omitted:
        lines.append(f"  ... and {counted(report.omitted, 'more problem')}.")
    return lines + [f"  Note: {warning}" for warning in report.warnings]


def _row(head: str, cells: list[str]) -> str:
    return f"{head:<7}" + "".join(f"{cell:>18}" for cell in cells)


def _json(report: Report, **numbers: Any) -> str:
    values = report.to_json()
    del values["signals"]  # for staff
    return json.dumps(values | numbers, indent=2)

"""A file of predictions, joined with the test sets of its matches.

Rows belong to a trace by ``(team_id, capture_id)`` and columns to a class by name, never by position.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from srs.game.race import RaceRules
from srs.traces.archive import open_table
from srs.traces.report import PLACES_MAX, Problem, Report, grouped, listed
from srs.traces.schema import CAPTURE, HOUSE_TEAM, INT32_MAX, TEAM, ColumnRule, probability_column
from srs.traces.tables import read_table, showing_lines

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

SUM_TOLERANCE: Final = 1e-3
# Decimals such as 0.999 have no exact float: what rounding adds to a sum shall not decide.
_ROUNDING: Final = 1e-9
# So many ids are compared when looking for the one that was meant.
_COMPARED_MAX: Final = 1000


@dataclass(frozen=True)
class Predictions:
    """What an accepted file says: for each match in it (by the attacked team's number) an array of shape
    (traces, K). Rows stand in the order of that match's test ids, columns in that of the classes; rows sum to 1.
    """

    matches: Mapping[int, Floats]


@dataclass(frozen=True)
class _Rows:
    """The file's rows in its own order; ``first_line`` is the line (in Parquet the row) of the first."""

    team: Ints
    capture: Ints
    probabilities: Floats
    first_line: int

    def line(self, row: int) -> int:
        return row + self.first_line


def prediction_columns(rules: RaceRules) -> dict[str, ColumnRule]:
    """The columns of an attack in this race; the probabilities in the order of their classes."""
    probability = ColumnRule("attack.probability", "number", 0, 1, "Expected a probability from 0 to 1.")
    return {
        TEAM: ColumnRule("attack.team", "integer", HOUSE_TEAM, INT32_MAX, "Expected the number of the attacked team."),
        CAPTURE: ColumnRule("attack.capture", "integer", 0, INT32_MAX, "Expected a capture_id of your test set."),
    } | {probability_column(number): probability for number in range(1, rules.classes.count + 1)}


def read_predictions(
    source: Path | bytes, name: str, rules: RaceRules, matches: Mapping[int, Ints]
) -> tuple[Predictions | None, Report]:
    """Read and check an attack.

    ``name`` is the sender's name for the file; ``matches`` gives the test ids of each match that the sender may
    attack, by the attacked team's number. Returns the predictions, or None and a report with at least one
    problem. Faults of single fields are told first; once every field can be read, all other faults together.
    Raises ``FileError`` where the file cannot be opened at all.
    """
    opened = open_table(
        source,
        name,
        packed_max_bytes=rules.traces.upload_max_mb * 1_000_000,
        unpacked_max_bytes=rules.traces.unpacked_max_mb * 1_000_000,
    )
    columns = prediction_columns(rules)
    table = read_table(opened, columns)
    if isinstance(table, Report):
        return None, table
    rows = _Rows(
        team=table[TEAM].to_numpy().astype(np.int64),
        capture=table[CAPTURE].to_numpy().astype(np.int64),
        probabilities=np.ascontiguousarray(table.select(list(columns)[2:]).to_numpy()),
        first_line=1 if opened.kind == "parquet" else 2,
    )
    sums = rows.probabilities.sum(axis=1)
    problems = [*_unknown_teams(rows, matches), *_wrong_sums(rows, sums)]
    aligned: dict[int, Floats] = {}
    for team in np.intersect1d(rows.team, np.fromiter(matches, np.int64)).tolist():
        of_team = np.flatnonzero(rows.team == team)
        found = list(_faults_of_match(rows, of_team, team, matches[team]))
        problems += found
        if not found:
            order = of_team[np.argsort(rows.capture[of_team])][np.argsort(np.argsort(matches[team]))]
            aligned[team] = rows.probabilities[order] / sums[order, np.newaxis]
    if problems:
        return None, showing_lines(Report(tuple(problems)), opened)
    return Predictions(aligned), Report()


def _unknown_teams(rows: _Rows, matches: Mapping[int, Ints]) -> Iterator[Problem]:
    unknown = np.flatnonzero(~np.isin(rows.team, np.fromiter(matches, np.int64)))
    if unknown.size:
        team = int(rows.team[unknown[0]])
        yours = f"Yours: {listed(sorted(matches))}." if matches else "You have none."
        what = f"you have no match against team {team}. {yours}"
        yield _at("attack.team-unknown", rows, unknown, TEAM, what)


def _wrong_sums(rows: _Rows, sums: Floats) -> Iterator[Problem]:
    wrong = np.flatnonzero(np.abs(sums - 1.0) > SUM_TOLERANCE + _ROUNDING)
    if wrong.size:
        row = int(wrong[0])
        where = f"Line {grouped(rows.line(row))} (team {rows.team[row]}, capture {rows.capture[row]})"
        sentence = f"{where}: probabilities sum to {sums[row]:.6g}; expected 1, give or take {SUM_TOLERANCE:g}."
        yield _problem("attack.sum", sentence, rows, wrong, None)


def _faults_of_match(rows: _Rows, of_team: Ints, team: int, expected: Ints) -> Iterator[Problem]:
    """Ids that are not the match's, that come twice, that are missing; ``of_team`` are the match's rows."""
    captures = rows.capture[of_team]
    is_known = np.isin(captures, expected)
    unknown = of_team[~is_known]
    first_row = np.unique(captures, return_index=True)[1]
    is_again = is_known.copy()
    is_again[first_row] = False
    again = of_team[is_again]
    missing = np.setdiff1d(expected, captures)
    if unknown.size:
        capture = int(rows.capture[unknown[0]])
        what = (
            f"{capture} is not in your test set against team {team}. You have {grouped(of_team.size)} rows "
            f"for that match; {grouped(int(is_known.sum()))} belong to it.{_meant(capture, missing)}"
        )
        yield _at("attack.capture-unknown", rows, unknown, CAPTURE, what)
    if again.size:
        capture = int(rows.capture[again[0]])
        before = rows.line(int(of_team[np.flatnonzero(captures == capture)[0]]))
        what = f"capture {capture} of team {team} stands in line {grouped(before)} already."
        yield _at("attack.capture-twice", rows, again, CAPTURE, what)
    if missing.size:
        counts = f"{grouped(missing.size)} {'capture_id' if missing.size == 1 else 'capture_ids'} missing"
        others = ((unknown, "unknown"), (again, "twice"))
        also = "".join(f", {grouped(ids.size)} {how}" for ids, how in others if ids.size)
        sentence = f"Team {team}: {counts} ({listed(missing.tolist())}){also}."
        hint = "A match may be left out of the file, a trace of it may not."
        yield Problem("attack.capture-missing", sentence, column=CAPTURE, hint=hint)


def _meant(capture: int, missing: Ints) -> str:
    """The missing id that looks most like the one found, as a question."""
    candidates = [str(each) for each in missing[:_COMPARED_MAX]]
    near = difflib.get_close_matches(str(capture), candidates, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _at(code: str, rows: _Rows, found: Ints, column: str, what: str) -> Problem:
    line = grouped(rows.line(int(found[0])))
    return _problem(code, f"Line {line}, column {column}: {what}", rows, found, column)


def _problem(code: str, sentence: str, rows: _Rows, found: Ints, column: str | None) -> Problem:
    """One rule, broken in the rows ``found``, of which the sentence describes the first."""
    lines = [rows.line(row) for row in found[: PLACES_MAX + 1].tolist()]
    return Problem(code, sentence, lines[0], column, found.size - 1, tuple(lines[1:]))

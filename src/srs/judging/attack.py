"""An attack in, a verdict out: for each match the part of the test set that gives feedback, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from srs.errors import FileError, InputError
from srs.game.race import RaceRules
from srs.judging.curves import Curves, curves
from srs.judging.key import MatchKey, read_key
from srs.judging.steps import Step, announce
from srs.judging.task import AttackTask
from srs.scoring.attack import Floats, Ints, attack_metrics, macro_auc, standing, top_accuracy
from srs.scoring.intervals import intervals
from srs.traces.archive import open_table
from srs.traces.predictions import prediction_columns, read_predictions
from srs.traces.report import Problem, Report
from srs.traces.schema import CAPTURE, SIZE, TEAM, TIME, defence_columns
from srs.traces.tables import read_table

FEEDBACK_DECIMALS: Final = 2
# A part of a test set in which no class can be told from another says nothing: it counts as a guess.
_GUESS_AUC: Final = 0.5
_TEST_FILES: Final = ("test.parquet", "test.csv.zip", "test.csv")


@dataclass(frozen=True)
class MatchScores:
    """What an attack reached in one match, as plain JSON values.

    ``public`` holds ``auc`` and ``accuracy`` of the public traces; ``final`` every metric of the other ones, or of all
    where every trace is public, with their ``intervals`` (``srs.scoring``).
    """

    public: dict[str, float]
    final: dict[str, Any]
    curves: Curves
    """Of the traces of ``final``."""


@dataclass(frozen=True)
class AttackVerdict:
    """What became of a file. By the attacked team's number: ``traces``, how many each match in the file has, and
    ``matches``, their scores. Both are empty where the file is not accepted.
    """

    accepted: bool
    report: Report
    traces: dict[int, int] = field(default_factory=dict)
    matches: dict[int, MatchScores] = field(default_factory=dict)


def judge_attack(task: AttackTask, folder: Path) -> AttackVerdict:
    """Judge what a task of the server names; its steps are announced in ``folder``."""
    keys = [read_key(match.team_id, match.labels) for match in task.matches]
    announce(folder, Step.READING)
    return judge_predictions(task.path, task.name, task.rules, keys, is_read=lambda: announce(folder, Step.MEASURING))


def judge_predictions(
    source: Path | bytes,
    name: str,
    rules: RaceRules,
    keys: Sequence[MatchKey],
    *,
    seed: int = 0,
    is_read: Callable[[], None] = lambda: None,
) -> AttackVerdict:
    """Check a file against the test sets of its sender's matches and score every match in it.

    ``name`` is the sender's name for the file; ``seed`` is that of the intervals; ``is_read`` is called between
    reading and scoring. A file that cannot be read is a rejected verdict, too.
    """
    by_team = {key.team_id: key for key in keys}
    verdict, rows = _read(source, name, rules, {team: key.capture_ids for team, key in by_team.items()})
    is_read()
    scores = {team: score_match(probabilities, by_team[team], seed) for team, probabilities in rows.items()}
    return replace(verdict, matches=scores)


def check_attack(source: Path | bytes, name: str, bundle: Path, rules: RaceRules) -> AttackVerdict:
    """The same check offline, against the test sets in a folder: the verdict without scores.

    ``bundle`` is one unpacked match, or holds one folder for each. Raises ``InputError`` where there is no test set
    in the folder, or one that cannot be read.
    """
    return _read(source, name, rules, _test_ids(bundle, rules))[0]


def score_match(probabilities: Floats, key: MatchKey, seed: int = 0) -> MatchScores:
    """Score one match; ``probabilities`` has a row for each of the key's traces, in its order."""
    public = key.is_public
    counting = public if public.all() else ~public
    return MatchScores(
        public=score_public(probabilities[public], key.classes[public]),
        final=_all_metrics(probabilities[counting], key.classes[counting], seed),
        curves=curves(probabilities[counting], key.classes[counting], seed),
    )


def score_public(probabilities: Floats, classes: Ints) -> dict[str, float]:
    """AUC and accuracy alone; those of a guess where there is no trace."""
    if not classes.size:
        return {"auc": _GUESS_AUC, "accuracy": 1.0 / probabilities.shape[1]}
    auc = macro_auc(probabilities, classes)
    accuracy = top_accuracy(standing(probabilities, classes), 1)
    return {"auc": _GUESS_AUC if auc is None else auc, "accuracy": accuracy}


def public_feedback(public: Mapping[str, float]) -> dict[str, float]:
    """All that anybody may see of an attack before the round closes: AUC and accuracy, to two decimals.

    More would let uploads probe the labels. ``public`` is that of ``MatchScores``.
    """
    return {name: round(public[name], FEEDBACK_DECIMALS) for name in ("auc", "accuracy")}


def _all_metrics(probabilities: Floats, classes: Ints, seed: int) -> dict[str, Any]:
    metrics: dict[str, Any] = dict(attack_metrics(probabilities, classes))
    if metrics["auc"] is None:
        metrics["auc"] = _GUESS_AUC
    return metrics | {"intervals": dict(intervals(probabilities, classes, seed))}


def _read(
    source: Path | bytes, name: str, rules: RaceRules, expected: Mapping[int, Ints]
) -> tuple[AttackVerdict, Mapping[int, Floats]]:
    """The verdict, without scores, and the probabilities of each match in the file."""
    try:
        predictions, report = read_predictions(source, name, rules, expected)
    except FileError as error:
        predictions, report = None, Report((Problem(error.code, error.sentence, hint=error.hint),))
    if predictions is None:
        return AttackVerdict(accepted=False, report=report), {}
    traces = {team: len(rows) for team, rows in predictions.matches.items()}
    return AttackVerdict(accepted=True, report=report, traces=traces), predictions.matches


def _test_ids(bundle: Path, rules: RaceRules) -> dict[int, Ints]:
    """The test ids of each match in a folder, by the attacked team's number."""
    folders = [bundle, *sorted(path for path in bundle.glob("*") if path.is_dir())]
    candidates = ([folder / name for name in _TEST_FILES] for folder in folders)
    files = [found[0] for paths in candidates if (found := [path for path in paths if path.is_file()])]
    if not files:
        raise InputError(
            "bundle.no-test-set",
            f"There is no test.csv.zip or test.parquet in {bundle} or in a folder inside it.",
            hint="Download and unpack the bundle of a match there.",
        )
    ids: dict[int, Ints] = {}
    for file in files:
        ids |= _ids_of(file, rules)
    return ids


def _ids_of(file: Path, rules: RaceRules) -> dict[int, Ints]:
    of_defence, of_attack = defence_columns(rules), prediction_columns(rules)
    columns = {TEAM: of_attack[TEAM], CAPTURE: of_attack[CAPTURE], SIZE: of_defence[SIZE], TIME: of_defence[TIME]}
    size_max_bytes = rules.traces.unpacked_max_mb * 1_000_000
    try:
        opened = open_table(file, file.name, packed_max_bytes=size_max_bytes, unpacked_max_bytes=size_max_bytes)
        table = read_table(opened, columns)
    except FileError as error:
        raise InputError("bundle.test-set", f"{file} is not the test set of a match: {error}") from error
    if isinstance(table, Report):
        raise InputError("bundle.test-set", f"{file} is not the test set of a match: {table.problems[0]}")
    ids = table.group_by(TEAM).agg(pl.col(CAPTURE).cast(pl.Int64).unique())
    return {team: captures.to_numpy() for team, captures in zip(ids[TEAM], ids[CAPTURE], strict=True)}

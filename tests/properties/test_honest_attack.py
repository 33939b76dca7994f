"""An honest forest from a defence to its score: no label leaks, no row is misplaced.

The example script attacks the files that a match hands out, as a participant would, and is judged by the sealed key.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fixtures.by_hand import AUC_TOLERANCE, scored_by_hand, truth_by_contents
from fixtures.reference import REAL_TRACES, read_packets, reads_real_captures
from fixtures.sizes import record
from srs.game.race import Classes, RaceRules, Split, Traces
from srs.judging.attack import AttackVerdict, MatchScores, judge_attack
from srs.judging.bundle import prepare_bundle
from srs.judging.defence import judge_defence
from srs.judging.task import AttackTask, BundleTask, DefenceTask, MatchLabels
from srs.lab import example_attack
from srs.lab.simulate import simulate

ALL_COUNT = Split(public_share=1)
"""Every trace of a test set makes the score, so that it says something of each."""
RULES = RaceRules(slug="default", title="Default rules", rounds=(), split=ALL_COUNT)
SMALL = RaceRules(
    slug="small",
    title="Ten cells",
    rounds=(),
    classes=Classes(count=10),
    traces=Traces(repetitions=(9, 20)),
    split=Split(test_traces=40, test_pool=50, public_share=1),
)
TEAM = 4


def play(captures: Path, rules: RaceRules, folder: Path, seed: int) -> Path:
    """Split the captures under a secret of their own and lay out a match; the folder of what its attacker gets."""
    secret = seed.to_bytes(16, "little")
    task = DefenceTask(path=captures, name=captures.name, rules=rules, split_secret=secret, published=[])
    sealed = folder / "sealed"
    sealed.mkdir(parents=True)
    verdict = judge_defence(task, sealed)
    assert verdict.accepted
    ids = random.Random(seed).sample(range(2**31), rules.split.test_traces)
    bundle = prepare_bundle(
        BundleTask(
            rules=rules,
            pool=sealed / verdict.pool,
            race="default",
            round_number=1,
            team_id=TEAM,
            order_seed=secret,
            capture_ids=ids,
            train_files={},
        ),
        sealed,
    )
    given = folder / "given"
    given.mkdir()
    for name in (*verdict.files.values(), *bundle.files.values()):
        shutil.copy(sealed / name, given / name)
    shutil.copy(sealed / bundle.labels, folder / "key")
    return given


def judge(attack: Path, key: Path, rules: RaceRules) -> AttackVerdict:
    matches = [MatchLabels(team_id=TEAM, labels=key)]
    return judge_attack(AttackTask(path=attack, name=attack.name, rules=rules, matches=matches), key.parent)


def attacked(captures: Path, rules: RaceRules, folder: Path, seed: int) -> MatchScores:
    """What the example script reaches: what it is by another program, and the same with rows and columns shuffled."""
    attack = folder / "predictions.csv"
    given = play(captures, rules, folder, seed)
    example_attack.main([str(given), "-o", str(attack)])
    verdict = judge(attack, folder / "key", rules)
    assert verdict.accepted, verdict.report.problems
    scores = verdict.matches[TEAM]

    predictions = pl.read_csv(attack)
    truth = truth_by_contents(read_packets(captures), pl.read_parquet(given / "test.parquet"))
    assert len(truth) == rules.split.test_traces
    accuracy, auc = scored_by_hand(predictions, truth)
    assert scores.final["accuracy"] == pytest.approx(accuracy, rel=1e-12)
    assert scores.final["auc"] == pytest.approx(auc, abs=AUC_TOLERANCE)

    columns = random.Random(seed).sample(predictions.columns, len(predictions.columns))
    predictions.sample(fraction=1, shuffle=True, seed=seed).select(columns).write_csv(folder / "shuffled.csv")
    again = judge(folder / "shuffled.csv", folder / "key", rules).matches[TEAM]
    assert json.dumps([again.public, again.final]) == json.dumps([scores.public, scores.final])
    return scores


def test_an_honest_forest_on_made_up_captures_scores_what_scikit_learn_says(tmp_path: Path) -> None:
    simulate(classes=10, repetitions=15, seed=2).write_csv(tmp_path / "defence.csv", float_precision=6)
    scores = attacked(tmp_path / "defence.csv", SMALL, tmp_path / "match", seed=0)
    assert scores.final["accuracy"] > 0.3, "three times as good as a blind guess, or this says little"


@reads_real_captures
def test_an_honest_forest_scores_what_it_should(tmp_path: Path) -> None:
    """Mean accuracy .50 to .65 and AUC .94 to .98 over five splits, whatever the file's order."""
    scores = [attacked(REAL_TRACES, RULES, tmp_path / str(seed), seed) for seed in range(5)]
    accuracy, auc = np.mean([(one.final["accuracy"], one.final["auc"]) for one in scores], axis=0)
    record("honest", len(scores), note=f"splits of the real captures; mean accuracy {accuracy:.3f}, AUC {auc:.4f}")
    assert 0.50 <= accuracy <= 0.65
    assert 0.94 <= auc <= 0.98

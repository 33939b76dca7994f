"""An honest forest on real captures, from a defence to its score: no label leaks, no row is misplaced.

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

from fixtures.sizes import FULL, record
from srs.game.race import RaceRules
from srs.judging.attack import AttackVerdict, judge_attack
from srs.judging.bundle import prepare_bundle
from srs.judging.defence import judge_defence
from srs.judging.task import AttackTask, BundleTask, DefenceTask, MatchLabels
from srs.lab import example_attack

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "secretstroll_tor.csv.zip"
RULES = RaceRules(slug="default", title="Default rules", rounds=())
TEAM = 4


def play(folder: Path, seed: int) -> Path:
    """Split the captures under a secret of their own and lay out a match; the folder of what its attacker gets."""
    secret = seed.to_bytes(16, "little")
    task = DefenceTask(path=CAPTURES, name=CAPTURES.name, rules=RULES, split_secret=secret, published=[])
    sealed = folder / "sealed"
    sealed.mkdir(parents=True)
    verdict = judge_defence(task, sealed)
    assert verdict.accepted
    ids = random.Random(seed).sample(range(2**31), RULES.split.test_traces)
    bundle = prepare_bundle(
        BundleTask(
            rules=RULES,
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


def judge(attack: Path, key: Path) -> AttackVerdict:
    matches = [MatchLabels(team_id=TEAM, labels=key)]
    return judge_attack(AttackTask(path=attack, name=attack.name, rules=RULES, matches=matches), key.parent)


@pytest.mark.skipif(
    not FULL, reason="full size only: every day functional/test_honest_forest.py plays one split over HTTP"
)
@pytest.mark.skipif(not CAPTURES.exists(), reason="the real captures (../shared/data) are not beside this checkout")
def test_an_honest_forest_scores_what_it_should(tmp_path: Path) -> None:
    """Mean accuracy .50 to .65 and AUC .94 to .98 over five splits, whatever the file's order."""
    reached = []
    for seed in range(5):
        folder = tmp_path / str(seed)
        attack = folder / "predictions.csv"
        example_attack.main([str(play(folder, seed)), "-o", str(attack)])
        verdict = judge(attack, folder / "key")
        assert verdict.accepted, verdict.report.problems
        scores = verdict.matches[TEAM]
        reached.append((scores.whole["accuracy"], scores.whole["auc"]))

        table = pl.read_csv(attack)
        columns = random.Random(seed).sample(table.columns, len(table.columns))
        table.sample(fraction=1, shuffle=True, seed=seed).select(columns).write_csv(folder / "shuffled.csv")
        again = judge(folder / "shuffled.csv", folder / "key").matches[TEAM]
        assert json.dumps([again.public, again.final, again.whole]) == json.dumps(
            [scores.public, scores.final, scores.whole]
        )
    accuracy, auc = np.mean(reached, axis=0)
    assert 0.50 <= accuracy <= 0.65
    assert 0.94 <= auc <= 0.98
    record("honest", len(reached), note=f"splits of the real captures; mean accuracy {accuracy:.3f}, AUC {auc:.4f}")

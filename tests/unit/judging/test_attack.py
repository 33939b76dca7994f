"""An attack judged: parts of the test set, feedback, and the same check offline."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from fixtures.sizes import size
from srs.errors import InputError
from srs.game.race import Classes, RaceRules
from srs.judging.attack import (
    AttackVerdict,
    check_attack,
    judge_attack,
    judge_predictions,
    public_feedback,
    score_match,
    score_public,
)
from srs.judging.key import MatchKey, write_key
from srs.judging.steps import Step, announced
from srs.judging.task import AttackTask, MatchLabels
from srs.scoring.attack import Floats, attack_metrics

CLASSES, TRACES = 5, 40
RULES = RaceRules(slug="five", title="Five classes", classes=Classes(count=CLASSES), rounds=())


def make_key(team_id: int, public_share: float = 0.3) -> MatchKey:
    rng = np.random.default_rng(team_id)
    ids = rng.choice(10_000, TRACES, replace=False) + 100_000 * team_id
    classes = np.arange(TRACES) % CLASSES + 1
    return MatchKey(team_id, ids, classes, np.arange(TRACES) < round(public_share * TRACES))


def guesses(key: MatchKey, skill: float = 0.3) -> Floats:
    rng = np.random.default_rng(100 + key.team_id)
    rows = rng.dirichlet(np.ones(CLASSES), TRACES)
    rows[np.arange(TRACES), key.classes - 1] += skill
    return rows / rows.sum(axis=1, keepdims=True)


def table(*keys: MatchKey) -> pl.DataFrame:
    parts = []
    for key in keys:
        ids = pl.DataFrame({"team_id": [key.team_id] * TRACES, "capture_id": key.capture_ids})
        parts.append(ids.hstack(pl.DataFrame(guesses(key), [f"proba_class_{k}" for k in range(1, CLASSES + 1)])))
    return pl.concat(parts)


def csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv().encode()


def test_each_match_is_scored_on_its_parts() -> None:
    keys = [make_key(4), make_key(9)]
    verdict = judge_predictions(csv(table(*keys)), "a.csv", RULES, keys)
    assert verdict.accepted
    assert verdict.report.accepted
    assert verdict.traces == {4: TRACES, 9: TRACES}
    for key in keys:
        scores, rows, public = verdict.matches[key.team_id], guesses(key), key.is_public
        expected = {"public": public, "final": ~public}
        for part, chosen in expected.items():
            metrics = attack_metrics(rows[chosen], key.classes[chosen])
            found = getattr(scores, part)
            for name in found.keys() & {"auc", "accuracy", "mean_rank", "log_loss", "traces"}:
                assert found[name] == pytest.approx(metrics[name], rel=1e-9), name  # type: ignore[literal-required]
        assert set(scores.public) == {"auc", "accuracy"}
        assert scores.final["intervals"]["auc"][0] < scores.final["auc"] < scores.final["intervals"]["auc"][1]


def test_a_task_of_the_server_is_judged_and_its_verdict_travels_as_json(tmp_path: Path) -> None:
    key = make_key(4)
    (tmp_path / "attack").write_bytes(csv(table(key)))
    write_key(key, tmp_path / "key")
    matches = [MatchLabels(team_id=4, labels=tmp_path / "key")]
    verdict = judge_attack(AttackTask(path=tmp_path / "attack", name="a.csv", rules=RULES, matches=matches), tmp_path)
    assert verdict.accepted
    assert announced(tmp_path) is Step.MEASURING
    adapter = TypeAdapter(AttackVerdict)
    again = adapter.validate_json(adapter.dump_json(verdict))
    assert again.report == verdict.report
    assert again.traces == verdict.traces
    assert json.dumps(again.matches[4].final) == json.dumps(verdict.matches[4].final)
    assert again.matches[4].public == verdict.matches[4].public


def test_the_order_of_the_file_cannot_be_seen_in_the_verdict() -> None:
    """R13, judging: bit for bit under permutations of rows and of columns, and of the server's own key."""
    key = make_key(4)
    frame, shuffle = table(key), random.Random(2)
    text = json.dumps(TypeAdapter(AttackVerdict).dump_python(judge_predictions(csv(frame), "a", RULES, [key])))
    for _ in range(size(10, 50)):
        order = np.random.default_rng(shuffle.getrandbits(32)).permutation(TRACES)
        other = MatchKey(4, key.capture_ids[order], key.classes[order], key.is_public[order])
        shuffled = frame.sample(fraction=1, shuffle=True, seed=shuffle.getrandbits(32))
        columns = shuffle.sample(frame.columns, len(frame.columns))
        verdict = judge_predictions(csv(shuffled.select(columns)), "a", RULES, [other])
        assert json.dumps(TypeAdapter(AttackVerdict).dump_python(verdict)) == text


def test_before_the_close_a_team_sees_two_numbers_with_two_decimals() -> None:
    key = make_key(4)
    feedback = public_feedback(score_match(guesses(key), key).public)
    assert set(feedback) == {"auc", "accuracy"}
    assert all(value == round(value, 2) for value in feedback.values())


def test_where_all_is_public_the_parts_are_one() -> None:
    key = make_key(4, public_share=1.0)
    scores = score_match(guesses(key), key)
    assert scores.public == {name: scores.final[name] for name in ("auc", "accuracy")}
    assert scores.final["traces"] == TRACES


def test_a_part_that_says_nothing_counts_as_a_guess() -> None:
    key = make_key(4, public_share=0.0)
    assert score_match(guesses(key), key).public == {"auc": 0.5, "accuracy": 0.2}
    one_class = MatchKey(4, key.capture_ids, np.full(TRACES, 2), np.arange(TRACES) < 9)
    scores = score_match(guesses(key), one_class)
    assert scores.public["auc"] == scores.final["auc"] == 0.5
    assert scores.final["intervals"]["auc"] is None
    assert score_public(np.eye(5)[[1]], np.array([2])) == {"auc": 0.5, "accuracy": 1.0}


def test_a_rejected_file_has_no_scores() -> None:
    key = make_key(4)
    verdict = judge_predictions(csv(table(key).tail(-1)), "a.csv", RULES, [key])
    assert not verdict.accepted
    assert [problem.code for problem in verdict.report.problems] == ["attack.capture-missing"]
    assert verdict.matches == verdict.traces == {}


def test_a_file_that_cannot_be_opened_is_a_verdict() -> None:
    verdict = judge_predictions(b"", "a.csv", RULES, [make_key(4)])
    assert not verdict.accepted
    assert [problem.code for problem in verdict.report.problems] == ["file.empty"]


def write_test_set(folder: Path, key: MatchKey, form: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    packets = pl.DataFrame(
        {
            "team_id": np.full(2 * TRACES, key.team_id),
            "capture_id": np.repeat(key.capture_ids, 2),
            "direction_size": np.tile([576, -1500], TRACES),
            "timestamp": np.tile([0.0, 0.5], TRACES),
        }
    )
    if form == "test.parquet":
        packets.with_columns((pl.col("timestamp") * 1e6).cast(pl.Int64)).write_parquet(folder / form)
    elif form == "test.csv":
        packets.write_csv(folder / form)
    else:
        with zipfile.ZipFile(folder / form, "w") as archive:
            archive.writestr("test.csv", packets.write_csv())


@pytest.mark.parametrize("form", ["test.parquet", "test.csv.zip", "test.csv"])
def test_an_attack_is_checked_against_a_bundle(tmp_path: Path, form: str) -> None:
    key = make_key(4)
    write_test_set(tmp_path, key, form)
    verdict = check_attack(csv(table(key)), "a.csv", tmp_path, RULES)
    assert verdict.accepted
    assert verdict.traces == {4: TRACES}
    assert verdict.matches == {}
    assert not check_attack(csv(table(key).head(5)), "a.csv", tmp_path, RULES).accepted


def test_an_attack_is_checked_against_several_bundles(tmp_path: Path) -> None:
    keys = [make_key(4), make_key(9)]
    for key, form in zip(keys, ("test.parquet", "test.csv.zip"), strict=True):
        write_test_set(tmp_path / f"match-{key.team_id}", key, form)
    assert check_attack(csv(table(*keys)), "a.csv", tmp_path, RULES).traces == {4: TRACES, 9: TRACES}
    assert check_attack(csv(table(keys[1])), "a.csv", tmp_path, RULES).traces == {9: TRACES}


def test_a_folder_without_a_test_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no test\.csv\.zip or test\.parquet in"):
        check_attack(b"", "a.csv", tmp_path, RULES)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n"])
def test_a_test_set_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test.csv").write_bytes(content)
    with pytest.raises(InputError, match="is not the test set of a match"):
        check_attack(b"", "a.csv", tmp_path, RULES)

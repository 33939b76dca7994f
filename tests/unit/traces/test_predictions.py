"""Predictions: joined by name, and every rule of the format with its sentence."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import zstandard

from srs.errors import FileError
from srs.game.race import Classes, RaceRules
from srs.traces.predictions import Floats, Predictions, read_predictions
from srs.traces.report import Problem, Report

RULES = RaceRules(slug="three", title="Three classes", classes=Classes(count=3), rounds=())
MATCHES = {4: np.array([12, 88, 7713, 5]), 14: np.array([301, 300])}
ROWS = {
    (4, 12): "0.5,0.25,0.25",
    (4, 88): "0,1,0",
    (4, 7713): "0.1,0.2,0.7",
    (4, 5): "1,0,0",
    (14, 301): "0.25,0.5,0.25",
    (14, 300): "0.3,0.3,0.4",
}
HEADER = "team_id,capture_id,proba_class_1,proba_class_2,proba_class_3"


def text(rows: dict[tuple[int, int], str], header: str = HEADER) -> str:
    return "\n".join([header, *(f"{team},{capture},{chances}" for (team, capture), chances in rows.items())]) + "\n"


def read(content: str | bytes, rules: RaceRules = RULES) -> tuple[Predictions | None, Report]:
    source = content.encode() if isinstance(content, str) else content
    return read_predictions(source, "attack.csv", rules, MATCHES)


def accepted(content: str | bytes) -> Predictions:
    predictions, report = read(content)
    assert report.accepted, report.problems
    assert predictions is not None
    return predictions


def rejected(content: str | bytes) -> tuple[Problem, ...]:
    predictions, report = read(content)
    assert predictions is None
    assert not report.accepted
    return report.problems


def rejected_once(content: str | bytes) -> Problem:
    (problem,) = rejected(content)
    return problem


def assert_right(predictions: Predictions) -> None:
    assert set(predictions.matches) == {4, 14}
    for team, ids in MATCHES.items():
        expected = [[float(chance) for chance in ROWS[team, capture].split(",")] for capture in ids]
        assert predictions.matches[team].tolist() == expected


def as_zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("attack.csv", content)
    return packed.getvalue()


def as_parquet(content: bytes) -> bytes:
    table = io.BytesIO()
    pl.read_csv(content, schema_overrides={f"proba_class_{k}": pl.Float64 for k in (1, 2, 3)}).write_parquet(table)
    return table.getvalue()


@pytest.mark.parametrize(
    "pack", [bytes, as_zip, gzip.compress, lambda raw: zstandard.ZstdCompressor().compress(raw), as_parquet]
)
def test_every_form_is_read(pack) -> None:  # type: ignore[no-untyped-def]
    assert_right(accepted(pack(text(ROWS).encode())))


def test_a_path_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text(ROWS))
    predictions, _ = read_predictions(tmp_path / "a.csv", "a.csv", RULES, MATCHES)
    assert predictions is not None
    assert_right(predictions)


def test_neither_rows_nor_columns_count_by_position() -> None:
    shuffle = random.Random(4)
    for _ in range(30):
        names = HEADER.split(",")
        shuffle.shuffle(names)
        keys = shuffle.sample(sorted(ROWS), len(ROWS))
        lines = [",".join(names)]
        for key in keys:
            values = dict(zip(HEADER.split(","), [*map(str, key), *ROWS[key].split(",")], strict=True))
            lines.append(",".join(values[name] for name in names))
        assert_right(accepted("\n".join(lines)))


def test_a_file_may_hold_some_of_the_matches() -> None:
    some = {key: row for key, row in ROWS.items() if key[0] == 14}
    assert list(accepted(text(some)).matches) == [14]


def test_rows_within_the_tolerance_are_renormalised() -> None:
    predictions = accepted(text(ROWS | {(4, 12): "0.5004,0.25,0.25"}))
    row: Floats = predictions.matches[4][0]
    assert row.sum() == pytest.approx(1, abs=1e-15)
    assert row.tolist() == pytest.approx([0.5004 / 1.0004, 0.25 / 1.0004, 0.25 / 1.0004], rel=1e-12)
    for chances in ("0.501,0.25,0.25", "0.499,0.25,0.25"):
        accepted(text(ROWS | {(4, 12): chances}))


def test_a_sum_beyond_the_tolerance() -> None:
    problem = rejected_once(text(ROWS | {(4, 88): "0.03,0.9,0", (14, 300): "0.3,0.3,0.4011"}))
    assert (problem.code, problem.line, problem.column) == ("attack.sum", 3, None)
    assert problem.sentence == "Line 3 (team 4, capture 88): probabilities sum to 0.93; expected 1, give or take 0.001."
    assert (problem.more, problem.places) == (1, (7,))


def test_an_unknown_capture_is_told_with_the_one_that_was_meant() -> None:
    rows = {(team, 7731 if capture == 7713 else capture): row for (team, capture), row in ROWS.items()}
    unknown, missing = rejected(text(rows))
    assert (unknown.code, unknown.line, unknown.column) == ("attack.capture-unknown", 4, "capture_id")
    assert unknown.sentence == (
        "Line 4, column capture_id: 7731 is not in your test set against team 4. You have 4 rows for that match; "
        "3 belong to it. Did you mean 7713?"
    )
    assert (missing.code, missing.line) == ("attack.capture-missing", None)
    assert missing.sentence == "Team 4: 1 capture_id missing (7713), 1 unknown."


def test_an_unknown_capture_like_no_other() -> None:
    (unknown,) = rejected(text(ROWS | {(14, 999999): "1,0,0"}))
    assert unknown.sentence.endswith("2 belong to it.")


def test_a_capture_of_another_match_is_unknown_in_this_one() -> None:
    (unknown,) = rejected(text(ROWS | {(4, 300): "1,0,0"}))
    assert (unknown.code, unknown.line) == ("attack.capture-unknown", 8)


def test_captures_twice() -> None:
    again = text(ROWS) + "14,301,1,0,0\n14,300,1,0,0\n14,301,0,1,0\n"
    problem = rejected_once(again)
    assert (problem.code, problem.line, problem.column) == ("attack.capture-twice", 8, "capture_id")
    assert problem.sentence == "Line 8, column capture_id: capture 301 of team 14 stands in line 6 already."
    assert (problem.more, problem.places) == (2, (9, 10))


def test_missing_captures_are_counted_with_their_company() -> None:
    rows = dict(ROWS)
    del rows[4, 12], rows[4, 88], rows[4, 5]
    problems = rejected(text(rows) + "4,7713,1,0,0\n4,9,1,0,0\n")
    assert [problem.code for problem in problems] == [
        "attack.capture-unknown",
        "attack.capture-twice",
        "attack.capture-missing",
    ]
    assert problems[2].sentence == "Team 4: 3 capture_ids missing (5, 12, 88), 1 unknown, 1 twice."


def test_an_unknown_team() -> None:
    problem = rejected_once(text(ROWS | {(5, 1): "1,0,0", (6, 1): "1,0,0"}))
    assert (problem.code, problem.line, problem.column, problem.more) == ("attack.team-unknown", 8, "team_id", 1)
    assert problem.sentence == "Line 8, column team_id: you have no match against team 5. Yours: 4, 14."


def test_nobody_to_attack() -> None:
    predictions, report = read_predictions(text(ROWS).encode(), "a.csv", RULES, {})
    assert predictions is None
    assert report.problems[0].sentence.endswith("you have no match against team 4. You have none.")


def test_all_faults_are_told_at_once() -> None:
    rows = ROWS | {(4, 12): "0.1,0.1,0.1", (4, 44): "0,0,1", (9, 1): "0,0,1"}
    del rows[14, 301]
    assert {problem.code for problem in rejected(text(rows))} == {
        "attack.team-unknown",
        "attack.sum",
        "attack.capture-unknown",
        "attack.capture-missing",
    }


def test_parquet_is_told_by_its_rows() -> None:
    problem = rejected_once(as_parquet(text(ROWS | {(4, 88): "0,0.5,0"}).encode()))
    assert (problem.code, problem.line) == ("attack.sum", 2)


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("nan", "attack.probability-finite"),
        ("inf", "attack.probability-finite"),
        ("1e309", "attack.probability-finite"),
        ("1.0001", "attack.probability-range"),
        ("-0.1", "attack.probability-range"),
        ("0x1", "attack.probability-shape"),
        ("", "table.empty-field"),
    ],
)
def test_a_probability_out_of_shape(field: str, code: str) -> None:
    problem = rejected_once(text(ROWS | {(4, 88): f"0,{field},0"}))
    assert (problem.code, problem.line, problem.column) == (code, 3, "proba_class_2")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (HEADER.removesuffix(",proba_class_3"), "missing: proba_class_3"),
        (HEADER + ",proba_class_4", "unknown: proba_class_4"),
        (HEADER.replace("team_id", "team"), "missing: team_id; unknown: team"),
        (HEADER.replace("class_2", "class_1"), "missing: proba_class_2; twice: proba_class_1"),
    ],
)
def test_the_columns_are_those_of_the_race(header: str, part: str) -> None:
    problem = rejected_once(text(ROWS, header))
    assert (problem.code, problem.line) == ("table.header", 1)
    assert part in problem.sentence


def test_a_file_that_is_none_of_these() -> None:
    with pytest.raises(FileError):
        read(b"PK\x03\x04 but no zip")
    with pytest.raises(FileError):
        read(b"")


def test_many_missing_ids_do_not_cost_a_search() -> None:
    ids = np.arange(1, 50_000)
    rows = {(4, 60_000_000 + i): "1,0,0" for i in range(3)}
    _, report = read_predictions(text(rows).encode(), "a.csv", RULES, {4: ids})
    assert [problem.code for problem in report.problems] == ["attack.capture-unknown", "attack.capture-missing"]
    assert report.problems[1].sentence.startswith("Team 4: 49 999 capture_ids missing (1, 2, 3,")

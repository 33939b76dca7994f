"""Predictions under fire: any bytes give predictions, a report or an SrsError, and a planted fault is found."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.sizes import record, size
from srs.errors import SrsError
from srs.game.race import Classes, RaceRules
from srs.traces.predictions import read_predictions

RULES = RaceRules(slug="four", title="Four classes", classes=Classes(count=4), rounds=())
MATCHES = {4: np.array([12, 88, 7713]), 14: np.array([301, 300])}
NAMES = ["team_id", "capture_id", *(f"proba_class_{k}" for k in range(1, 5))]

fields = st.one_of(
    st.sampled_from(["4", "14", "12", "88", "7713", "301", "300", "0", "1", "0.5", "0.25", "1.0", "-0", "1e-5", "2"]),
    st.sampled_from(["nan", "inf", "1e309", "0x10", "1_000", "١٢", "", '"', '"0.5"', " ", "\ufeff", "\0", "NA", "+1"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.text(max_size=5),
)
lines = st.lists(fields, min_size=4, max_size=8).map(",".join)
headers = st.one_of(st.just(",".join(NAMES)), st.permutations(NAMES).map(",".join), lines)
files = st.builds(
    lambda header, rows, end, bom: bom + end.join([header, *rows]).encode("utf-8", "surrogatepass"),
    headers,
    st.lists(lines, max_size=8),
    st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"PAR1", b"PK\x03\x04", b"\x1f\x8b"]),
)


def judged(source: bytes) -> bool:
    """Whether the file is accepted; anything but a verdict or an error of ours goes through."""
    try:
        predictions, report = read_predictions(source, "attack.csv", RULES, MATCHES)
    except SrsError:
        return False
    assert (predictions is not None) == report.accepted
    for problem in report.problems:
        assert problem.sentence
        assert problem.sentence.isprintable()
    for rows in predictions.matches.values() if predictions else ():
        assert np.isfinite(rows).all()
        assert np.allclose(rows.sum(axis=1), 1)
    return report.accepted


def test_any_bytes_get_a_verdict() -> None:
    """F4 for predictions: predictions, a report or an SrsError; never another exception; at most 2 s each."""
    tried, slowest = 0, 0.0

    @settings(
        max_examples=size(60, 20_000),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(files, st.binary(max_size=300)))
    def check(source: bytes) -> None:
        nonlocal tried, slowest
        began = time.process_time()  # not the clock, on which other tests may have their turn
        judged(source)
        slowest = max(slowest, time.process_time() - began)
        tried += 1

    check()
    assert slowest <= 2.0
    record("F4", tried, note=f"files of predictions; slowest {slowest:.2f} s")


def valid() -> list[list[str]]:
    keys = [(team, capture) for team, captures in MATCHES.items() for capture in captures]
    return [[str(team), str(capture), "0.1", "0.2", "0.3", "0.4"] for team, capture in keys]


def setting(row: int, column: int, value: str) -> Callable[[list[list[str]]], None]:
    def plant(rows: list[list[str]]) -> None:
        rows[row][column] = value

    return plant


def _line_twice(rows: list[list[str]]) -> None:
    rows.append(rows[1])


def _line_gone(rows: list[list[str]]) -> None:
    del rows[2]


def _field_gone(rows: list[list[str]]) -> None:
    del rows[3][4]


PLANTED: list[tuple[Callable[[list[list[str]]], None], str, int | None, str | None]] = [
    (setting(0, 2, "0.3"), "attack.sum", 2, None),
    (setting(4, 5, "0"), "attack.sum", 6, None),
    (setting(1, 2, "NaN"), "attack.probability-finite", 3, "proba_class_1"),
    (setting(1, 3, "-inf"), "attack.probability-finite", 3, "proba_class_2"),
    (setting(2, 4, "1e400"), "attack.probability-finite", 4, "proba_class_3"),
    (setting(2, 5, "1.5"), "attack.probability-range", 4, "proba_class_4"),
    (setting(3, 2, "-0.1"), "attack.probability-range", 5, "proba_class_1"),
    (setting(3, 3, "0,2"), "table.field-count", 5, None),
    (setting(3, 3, "half"), "attack.probability-shape", 5, "proba_class_2"),
    (setting(3, 3, "0x1"), "attack.probability-shape", 5, "proba_class_2"),
    (setting(4, 4, ""), "table.empty-field", 6, "proba_class_3"),
    (setting(0, 0, "5"), "attack.team-unknown", 2, "team_id"),
    (setting(0, 0, "-1"), "attack.team-range", 2, "team_id"),
    (setting(0, 0, "0"), "attack.team-unknown", 2, "team_id"),
    (setting(0, 0, "4.0"), "attack.team-shape", 2, "team_id"),
    (setting(1, 1, "2147483648"), "attack.capture-range", 3, "capture_id"),
    (setting(1, 1, "-88"), "attack.capture-range", 3, "capture_id"),
    (setting(1, 1, "8_8"), "attack.capture-shape", 3, "capture_id"),
    (setting(1, 1, "89"), "attack.capture-unknown", 3, "capture_id"),
    (setting(1, 1, "12"), "attack.capture-twice", 3, "capture_id"),
    (_line_twice, "attack.capture-twice", 7, "capture_id"),
    (_line_gone, "attack.capture-missing", None, "capture_id"),
    (_field_gone, "table.field-count", 5, None),
]


@pytest.mark.parametrize(("plant", "code", "line", "column"), PLANTED)
def test_a_planted_fault_is_found_where_it_is(
    plant: Callable[[list[list[str]]], None], code: str, line: int | None, column: str | None
) -> None:
    """F6 for predictions: the exact code, line and column, and nothing else but what follows from it."""
    rows = valid()
    plant(rows)
    source = "\n".join([",".join(NAMES), *(",".join(row) for row in rows)]).encode()
    _, report = read_predictions(source, "attack.csv", RULES, MATCHES)
    first, *rest = report.problems
    assert (first.code, first.line, first.column) == (code, line, column)
    assert {problem.code for problem in rest} <= {"attack.capture-missing"}


def test_the_same_file_in_any_order_says_the_same() -> None:
    """R13, reading: rows and columns shuffled give equal arrays to the last bit."""
    rng, shuffle = np.random.default_rng(1), random.Random(1)
    rows: list[dict[str, Any]] = []
    for team, captures in MATCHES.items():
        for capture in captures:
            chances = rng.dirichlet(np.ones(4)).tolist()
            rows.append(dict(zip(NAMES, [team, capture, *chances], strict=True)))
    expected = None
    permutations = size(50, 1000)
    for _ in range(permutations):
        names = shuffle.sample(NAMES, len(NAMES))
        shuffled = shuffle.sample(rows, len(rows))
        source = "\n".join([",".join(names), *(",".join(str(row[name]) for name in names) for row in shuffled)])
        predictions, _ = read_predictions(source.encode(), "attack.csv", RULES, MATCHES)
        assert predictions is not None
        found = {team: predictions.matches[team].tobytes() for team in MATCHES}
        expected = expected or found
        assert found == expected
    record("R13", permutations, note="permutations of a file's rows and columns, bit for bit (reading)")

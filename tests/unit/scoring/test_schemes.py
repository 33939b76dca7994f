"""The report's score, where it has a pole and where it has none."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fixtures.reference import REFERENCE
from srs.errors import RulesError
from srs.scoring.schemes import SCHEMES, attack_score, scheme, srs2022_utility, total


def medians(volume_in: float, volume_out: float, duration_s: float) -> dict[str, float]:
    return {
        "median_in_volume": volume_in,
        "median_out_volume": volume_out,
        "median_duration": duration_s,
    }


def test_reference_scores() -> None:
    vectors = (REFERENCE / "srs2022_scores.json").read_text(encoding="utf-8")
    cases: list[dict[str, Any]] = json.loads(vectors)["cases"]
    assert cases
    for case in cases:
        utility, implausible = srs2022_utility(medians(*case["medians"]))
        attack = attack_score(case["aucs"])
        assert utility == pytest.approx(case["utility"], rel=1e-12)
        assert not implausible
        assert attack == pytest.approx(case["attack"], rel=1e-12)
        assert total(utility, attack) == pytest.approx(case["total"], rel=1e-12)


def test_a_defence_of_a_megabyte_by_hand() -> None:
    assert srs2022_utility(medians(1e6, 1e5, 10)) == (pytest.approx(64 / 12), False)


@pytest.mark.parametrize(
    "values",
    [
        (0, 5000, 3),
        (6, 1, 1),
        (1, 1, 1),
        (1, 1, 1e-9),
        (10**6.4, 1, 1),
        (0, 0, 0),
        (math.inf, 1, 0),
    ],
)
def test_at_and_below_the_bound_utility_is_10_and_implausible(values: tuple[float, float, float]) -> None:
    assert srs2022_utility(medians(*values)) == (10.0, True)


def test_just_above_the_bound_nothing_jumps() -> None:
    utility, implausible = srs2022_utility(medians(math.nextafter(10**6.4, math.inf), 1, 1))
    assert utility == pytest.approx(10.0, abs=1e-12)
    assert utility <= 10.0
    assert not implausible


def test_matches_without_an_attack_count_nothing() -> None:
    assert attack_score([]) == 0.0
    assert attack_score([None, None]) == 0.0
    assert attack_score([1.0, None]) == 5.0
    assert attack_score([0.0, 1.0]) == 5.0


def test_no_defence_no_total() -> None:
    assert total(None, 9.9) is None
    assert total(5.0, 0.0) == 0.0


def test_a_race_scores_by_its_scheme() -> None:
    rules = scheme("srs2022")
    assert rules is SCHEMES["srs2022"]
    assert rules.version.startswith("srs2022/")
    assert rules.total(rules.utility(medians(1e6, 1e5, 10))[0], rules.attack([0.75])) == pytest.approx(40.0)


def test_a_scheme_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RulesError, match=r"balanced.*srs2022") as refused:
        scheme("balanced")
    assert refused.value.code == "rules.scheme-unknown"

"""Ranking: ties share a rank, teams without a total share the last one, the order of input is of no account."""

from __future__ import annotations

import itertools

import pytest

from srs.game.standings import Entry, Ranked, combine_rounds, rank


def test_equal_totals_share_a_rank_in_every_order_of_input() -> None:
    """R14: 1, 2, 2, 4; teams without a total share the last rank."""
    entries = [Entry(7, 3.0), Entry(1, 5.0), Entry(4, 3.0), Entry(2, 0.0), Entry(9, None), Entry(3, None)]
    expected = [
        Ranked(1, 1, 5.0),
        Ranked(2, 4, 3.0),
        Ranked(2, 7, 3.0),
        Ranked(4, 2, 0.0),
        Ranked(5, 3, None),
        Ranked(5, 9, None),
    ]
    for order in itertools.permutations(entries):
        assert rank(order) == expected


def test_nobody_is_ranked_in_an_empty_race() -> None:
    assert rank([]) == []


def test_totals_that_differ_in_the_last_bit_do_not_tie() -> None:
    assert [row.rank for row in rank([Entry(1, 0.1 + 0.2), Entry(2, 0.3)])] == [1, 2]


def test_a_negative_zero_ties_with_zero() -> None:
    assert [(row.rank, row.team) for row in rank([Entry(2, -0.0), Entry(1, 0.0)])] == [(1, 1), (1, 2)]


@pytest.mark.parametrize("total", [float("nan"), float("inf"), -float("inf")])
def test_a_total_that_is_no_number_is_refused(total: float) -> None:
    with pytest.raises(ValueError, match="team 2"):
        rank([Entry(1, 1.0), Entry(2, total)])


def test_rounds_combine_as_the_rules_say() -> None:
    totals = [4.0, None, 2.0]
    assert combine_rounds(totals, "last") == 2.0
    assert combine_rounds(totals, "best") == 4.0
    assert combine_rounds(totals, "mean") == 2.0
    assert combine_rounds(totals, "none") is None
    assert combine_rounds([4.0, None], "last") is None


@pytest.mark.parametrize("how", ["last", "mean", "best", "none"])
def test_without_any_total_there_is_none(how: str) -> None:
    assert combine_rounds([None, None], how) is None  # type: ignore[arg-type]
    assert combine_rounds([], how) is None  # type: ignore[arg-type]


def test_a_mean_is_equal_in_every_order() -> None:
    """R13: to the last bit."""
    totals = [1e16, 1.0, -1e16, 0.1, 0.2, 0.3]
    assert len({combine_rounds(order, "mean") for order in itertools.permutations(totals)}) == 1

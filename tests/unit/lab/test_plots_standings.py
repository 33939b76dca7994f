"""Pictures of a round, of a class and of a team's way: the front, the words, the table, and that they can be drawn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srs.lab.plots.chart import Chart
from srs.lab.plots.standings import ROUNDS_SHOWN, ClassOfRound, Scores, Step, class_as_a_whole, way
from srs.lab.plots.trade_off import NAMED_MAX, Price, front, trade_off
from srs.server.web.figures import render

A = Price("A", 5.7, 1.0, 0.95, 0.99)
B = Price("B", 5.4, 1.5, 0.40, 0.90)
C = Price("C", 5.0, 3.0, 0.60, 0.95)
D = Price("D", 4.8, 3.6, 0.10, 0.60)
prices = st.lists(
    st.builds(Price, st.text(max_size=3), st.floats(4, 6), st.floats(0.5, 4), st.floats(0, 1), st.floats(0, 1)),
    min_size=1,
    max_size=30,
)


def test_the_front() -> None:
    assert front([A, B, C, D]) == [D, B, A]
    twin = Price("Twin of B", B.utility, 2.0, B.accuracy, 0.8)
    assert front([A, B, C, D, twin]) == [D, B, twin, A], "as good as one on the front: on it, too"


@given(prices)
def test_nobody_is_both_cheaper_and_better_hidden_than_the_front(found: list[Price]) -> None:
    best = front(found)
    for one in found:
        better = [
            other
            for other in found
            if other.utility >= one.utility
            and other.accuracy <= one.accuracy
            and (other.utility, other.accuracy) != (one.utility, one.accuracy)
        ]
        assert (one in best) == (not better)


def test_the_trade_off_in_words_and_as_a_table() -> None:
    chart = trade_off([A, B, C, D], 0.04, 5.72)
    assert chart.alt == (
        "4 defences by utility and by the accuracy of the strongest attack on each. On the front, where nobody is both "
        "cheaper and better hidden: 3, from D (utility 4.80, 10\N{NO-BREAK SPACE}%) "
        "to A (utility 5.70, 95\N{NO-BREAK SPACE}%)."
    )
    assert chart.rows == (
        ("A", 5.7, 1.0, 0.95, 0.99, "yes"),
        ("B", 5.4, 1.5, 0.40, 0.90, "yes"),
        ("C", 5.0, 3.0, 0.60, 0.95, "no"),
        ("D", 4.8, 3.6, 0.10, 0.60, "yes"),
    )
    assert len(chart.columns) == len(chart.rows[0])


def names_in(found: list[Price]) -> dict[str, dict[str, Any]]:
    """The names beside the points of a picture, and where they stand."""
    layers = trade_off(found, 0.04, 5.7).spec["layer"]
    assert layers[-1]["encoding"]["text"] == {"field": "name"}
    return {one["name"]: one for one in layers[-1]["data"]["values"]}


def test_of_many_teams_only_the_front_is_named() -> None:
    many = [Price(f"team {n}", 4 + n / 50, 1.0, n / 50, 0.5) for n in range(1, NAMED_MAX + 2)]
    own = Price("my own", 4.02, 1.0, 0.85, 0.5, is_own=True)
    names = set(names_in([Price("hidden name", 4.0, 1.0, 0.9, 0.5), own, *many]))
    assert "hidden name" not in names
    assert names & {"team 1", "team 13"}
    assert "my own" in names, "wherever it is, its team looks for it"


def test_names_do_not_cover_each_other() -> None:
    """Eight at one place: around it there is room for six; the others are in the table. One's own is always named."""
    heap = [Price(name, 5.0, 1.0, 0.5, 0.5) for name in "EFGHIJKL"]
    found = names_in([*heap, Price("mine", 5.0, 1.0, 0.5, 0.5, is_own=True), D])
    spots = {(one["align"], one["dy"]) for name, one in found.items() if name != D.name}
    assert len(spots) == len(found) - 1 == 6
    assert {"mine", "E", "D"} <= found.keys()


def test_the_class_by_round() -> None:
    first = ClassOfRound("Round 1", [Scores(5.0, 8.0, 40.0), Scores(4.0, 9.0, 36.0), Scores(None, 7.0, None)])
    second = ClassOfRound("Round 2 so far", [Scores(5.0, 2.0, 10.0), Scores(None, None, None)])
    chart = class_as_a_whole([first, second])
    assert chart.alt == "Points of all teams by round. Round 2 so far: total: median 10.00, from 10.00 to 10.00."
    assert chart.rows == (
        ("Round 1: utility", 2, 4.0, 4.25, 4.5, 4.75, 5.0),
        ("Round 2 so far: utility", 1, 5.0, 5.0, 5.0, 5.0, 5.0),
        ("Round 1: attack", 3, 7.0, 7.5, 8.0, 8.5, 9.0),
        ("Round 2 so far: attack", 1, 2.0, 2.0, 2.0, 2.0, 2.0),
        ("Round 1: total", 2, 36.0, 37.0, 38.0, 39.0, 40.0),
        ("Round 2 so far: total", 1, 10.0, 10.0, 10.0, 10.0, 10.0),
    )
    longer = class_as_a_whole([first] * ROUNDS_SHOWN + [second])
    assert longer.title.startswith(f"The class as a whole in the last {ROUNDS_SHOWN} rounds: ")
    assert len(longer.rows) == 3 * ROUNDS_SHOWN


def test_the_way_of_a_team() -> None:
    chart = way(
        [Step("Round 1", 6, Scores(5.0, 8.0, 40.0), 2, 3, 1), Step("Round 2", 25, Scores(None, 9.0, None), 25, None, 1)]
    )
    assert chart.alt.endswith("By total: Round 1: place 2 of 6, Round 2: place 25 of 25.")
    assert chart.rows == (("Round 1", 6, 2, 40.0, 3, 5.0, 1, 8.0), ("Round 2", 25, 25, None, None, None, 1, 9.0))
    axis = chart.spec["layer"][0]["encoding"]["y"]["axis"]["values"]
    assert axis == [1, 3, 6, 9, 12, 15, 18, 21, 25]
    assert len(chart.spec["data"]["values"]) == 5


@pytest.mark.parametrize(
    "chart",
    [
        trade_off([Price('<b>&"; datum.x', 5.0, 1.0, 0.5, 0.5)], 0.04, 5.0),
        trade_off([A, B, C, D], 0.04, 5.72),
        class_as_a_whole([ClassOfRound("Round 1", [Scores(5.0, 8.0, 40.0)])]),
        way([Step("Round 1", 1, Scores(5.0, 8.0, 40.0), 1, 1, 1)]),
    ],
    ids=lambda chart: f"{chart.name}-{len(chart.rows)}",
)
def test_they_can_be_drawn(chart: Chart) -> None:
    for theme in ("light", "dark"):
        for size in ("wide", "narrow"):
            svg = render(chart, theme, size)
            assert svg.startswith("<svg")
            assert "<b>" not in svg

"""Phases of a round, and what a round must be."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from srs.game.phases import (
    Phase,
    Round,
    attack_window,
    current_round,
    next_boundary,
    phase_at,
)

DAY = dt.timedelta(days=1)
START = dt.datetime(2027, 4, 13, 6, tzinfo=dt.UTC)
FIRST = Round(1, START, START + 4 * DAY, START + 5 * DAY, START + 8 * DAY)
SECOND = Round(2, START + 9 * DAY, START + 10 * DAY, START + 11 * DAY, START + 12 * DAY)


def published(one: Round, at: dt.datetime) -> Round:
    return dataclasses.replace(one, published_at=at)


def test_a_phase_holds_its_beginning_and_not_its_end() -> None:
    """T1: ``closes_at`` itself is closed."""
    tick = dt.timedelta.resolution
    assert phase_at(FIRST, START - tick) is Phase.BEFORE
    assert phase_at(FIRST, START) is Phase.DEFENCE
    assert phase_at(FIRST, START + 4 * DAY - tick) is Phase.DEFENCE
    assert phase_at(FIRST, START + 4 * DAY) is Phase.DRAWING


def test_an_early_draw_leaves_the_plan_as_it_is() -> None:
    early = published(FIRST, START + 4 * DAY)
    assert attack_window(early) == (START + 5 * DAY, START + 8 * DAY)
    assert phase_at(early, START + 4 * DAY) is Phase.DRAWING
    assert phase_at(early, START + 5 * DAY) is Phase.ATTACK
    assert phase_at(early, START + 8 * DAY) is Phase.CLOSED


def test_a_late_draw_keeps_the_full_length_of_the_attack_phase() -> None:
    late = published(FIRST, START + 6 * DAY)
    assert attack_window(late) == (START + 6 * DAY, START + 9 * DAY)
    assert phase_at(late, START + 5 * DAY) is Phase.DRAWING
    assert phase_at(late, START + 8 * DAY) is Phase.ATTACK
    assert phase_at(late, START + 9 * DAY) is Phase.CLOSED


def test_without_a_draw_the_attack_phase_never_opens() -> None:
    assert attack_window(FIRST) == (START + 5 * DAY, START + 8 * DAY)
    assert phase_at(FIRST, START + 100 * DAY) is Phase.DRAWING


def test_the_round_to_look_at_is_the_first_that_is_not_closed() -> None:
    rounds = [SECOND, published(FIRST, START + 5 * DAY)]
    assert current_round(rounds, START - DAY).number == 1
    assert current_round(rounds, START + 8 * DAY - dt.timedelta.resolution).number == 1
    assert current_round(rounds, START + 8 * DAY).number == 2
    done = [rounds[1], published(SECOND, START + 11 * DAY)]
    assert current_round(done, START + 100 * DAY).number == 2


def test_the_next_boundary_is_strictly_ahead() -> None:
    rounds = [published(FIRST, START + 6 * DAY), SECOND]
    at: dt.datetime | None = START - DAY
    seen = []
    while at is not None and (at := next_boundary(rounds, at)) is not None:
        seen.append((at - START) / DAY)
    assert seen == [0, 4, 6, 9, 10, 11, 12]


def test_a_round_out_of_order_or_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="not in order"):
        dataclasses.replace(FIRST, attack_opens_at=START + 3 * DAY)
    with pytest.raises(ValueError, match="without a zone"):
        dataclasses.replace(FIRST, published_at=START.replace(tzinfo=None))

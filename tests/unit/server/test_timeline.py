"""Rounds on one line: places, now, and the same in words."""

from __future__ import annotations

import datetime as dt

import pytest

from srs.game.phases import Phase
from srs.server.store.rounds import Round
from srs.server.web.timeline import MARGIN, timeline

BEGINS_AT = dt.datetime(2027, 4, 13, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def two_rounds(published_at: dt.datetime | None = None) -> list[Round]:
    """Ten days: two of defence, one between, two of attack, twice."""
    rounds = []
    for number in (1, 2):
        opens_at = BEGINS_AT + (number - 1) * 5 * DAY
        times = [opens_at, opens_at + 2 * DAY, opens_at + 3 * DAY, opens_at + 5 * DAY]
        rounds.append(
            Round(
                number=number,
                defence_opens_at=times[0],
                defence_closes_at=times[1],
                attack_opens_at=times[2],
                attack_closes_at=times[3],
                published_at=published_at if number == 1 else None,
            )
        )
    return rounds


def test_phases_fill_the_line_in_their_order() -> None:
    drawn = timeline(two_rounds(), BEGINS_AT + DAY)
    assert [(one.label, one.is_now) for one in drawn.segments] == [
        ("D1", True),
        ("A1", False),
        ("D2", False),
        ("A2", False),
    ]
    first, last = drawn.segments[0], drawn.segments[-1]
    margin = MARGIN / (1 + 2 * MARGIN) * 100
    assert first.left == pytest.approx(margin, abs=0.01)
    assert last.left + last.width == pytest.approx(100 - margin, abs=0.02)
    assert first.left < drawn.now_left < first.left + first.width


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (-400, "Now: before round 1 of 2."),
        (1, "Now: the defence phase of round 1, of 2."),
        (2.5, "Now: between the phases of round 1, of 2."),
        (4, "Now: the attack phase of round 1, of 2."),
        (400, "Now: between the phases of round 2, of 2."),
    ],
)
def test_now_in_words_and_inside_the_drawing(days: float, told: str) -> None:
    drawn = timeline(two_rounds(published_at=BEGINS_AT + 2 * DAY), BEGINS_AT + days * DAY)
    assert drawn.told == told
    assert 1 < drawn.now_left < 99, "the whole of the line is seen"


def test_a_race_that_is_over() -> None:
    rounds = two_rounds(published_at=BEGINS_AT + 2 * DAY)
    rounds[1].published_at = BEGINS_AT + 7 * DAY
    assert timeline(rounds, BEGINS_AT + 400 * DAY).told == "Every round is closed."


def test_a_late_attack_phase_is_where_it_really_was() -> None:
    planned, late = (timeline(two_rounds(at), BEGINS_AT).segments[1] for at in (None, BEGINS_AT + 3.5 * DAY))
    assert late.left > planned.left
    assert late.width == pytest.approx(planned.width, rel=0.1)


def test_no_label_where_there_is_no_room() -> None:
    rounds = two_rounds()
    rounds[0].defence_closes_at = rounds[0].defence_opens_at + dt.timedelta(hours=1)
    first = timeline(rounds, BEGINS_AT).segments[0]
    assert (first.label, first.phase) == ("", Phase.DEFENCE)

"""What a round has to be told of at a moment, by its times alone."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srs.game.phases import Phase, Round
from srs.server.services.reminders import HOURS_BEFORE, Due, due_at
from srs.server.store.notices import FINAL

OPENS_AT = dt.datetime(2027, 4, 13, 6, tzinfo=dt.UTC)
CLOSES_AT = dt.datetime(2027, 4, 17, 16, tzinfo=dt.UTC)
ATTACK_OPENS_AT = dt.datetime(2027, 4, 18, 6, tzinfo=dt.UTC)
ATTACK_CLOSES_AT = dt.datetime(2027, 4, 24, 16, tzinfo=dt.UTC)
HOUR, MOMENT = dt.timedelta(hours=1), dt.timedelta(microseconds=1)


def a_round(published_at: dt.datetime | None = None, **moved: dt.datetime) -> Round:
    times = {
        "defence_opens_at": OPENS_AT,
        "defence_closes_at": CLOSES_AT,
        "attack_opens_at": ATTACK_OPENS_AT,
        "attack_closes_at": ATTACK_CLOSES_AT,
        **moved,
    }
    return Round(number=1, published_at=published_at, **times)


PUBLISHED = a_round(published_at=CLOSES_AT + HOUR)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (OPENS_AT - MOMENT, []),
        (OPENS_AT, ["defence open"]),
        (CLOSES_AT - 24 * HOUR - MOMENT, ["defence open"]),
        (CLOSES_AT - 24 * HOUR, ["defence open", 24]),
        (CLOSES_AT - HOUR - MOMENT, ["defence open", 24]),
        (CLOSES_AT - HOUR, ["defence open", 1]),
        (CLOSES_AT - MOMENT, ["defence open", 1]),
        (CLOSES_AT, []),
        (ATTACK_OPENS_AT, ["attack open"]),
        (ATTACK_CLOSES_AT - 24 * HOUR, ["attack open", 24]),
        (ATTACK_CLOSES_AT - HOUR, ["attack open", 1]),
        (ATTACK_CLOSES_AT, [FINAL]),
    ],
)
def test_what_is_due_at_each_boundary(moment: dt.datetime, expected: list[object]) -> None:
    """24 h and 1 h before a deadline; after it no reminder, and the opening of a phase that is over is no news."""
    assert [one.hours or one.key for one in due_at(PUBLISHED, moment)] == expected


def test_a_phase_that_opened_with_the_draw_is_not_announced_twice() -> None:
    late = a_round(published_at=ATTACK_OPENS_AT + 5 * HOUR)
    assert due_at(late, ATTACK_OPENS_AT + 5 * HOUR) == []
    assert due_at(late, ATTACK_OPENS_AT) == []
    closes_at = ATTACK_CLOSES_AT + 5 * HOUR
    assert due_at(late, closes_at - HOUR) == [Due(Phase.ATTACK, closes_at, 1)]


def test_a_phase_of_a_day_has_no_reminder_a_day_before_its_end() -> None:
    short = a_round(defence_closes_at=OPENS_AT + 24 * HOUR)
    assert [one.hours for one in due_at(short, OPENS_AT + HOUR)] == [None]
    assert [one.hours for one in due_at(short, OPENS_AT + 23 * HOUR)] == [None, 1]


def test_a_moved_deadline_is_another_reminder_and_the_same_opening() -> None:
    moved = a_round(defence_closes_at=CLOSES_AT + 2 * HOUR)
    before, after = due_at(a_round(), CLOSES_AT - HOUR), due_at(moved, CLOSES_AT + HOUR)
    assert before[0].key == after[0].key
    assert before[1].key != after[1].key
    assert before[1].hours == after[1].hours == 1


@given(st.integers(-10_000, 30_000), st.one_of(st.none(), st.integers(0, 20_000)))
def test_never_a_reminder_of_what_is_not_open(minutes: int, published: int | None) -> None:
    """Whatever the moment and the publication: a reminder comes in its phase, 24 hours before its end at most."""
    published_at = None if published is None else CLOSES_AT + published * dt.timedelta(minutes=1)
    moment = OPENS_AT + minutes * dt.timedelta(minutes=1)
    for one in due_at(a_round(published_at), moment):
        if one.hours is not None:
            assert one.hours in HOURS_BEFORE
            assert dt.timedelta() < one.ends_at - moment <= one.hours * HOUR

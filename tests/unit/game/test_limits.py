"""T7, the arithmetic of quotas: what counts, what is left, and when a day begins."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest

from srs.game.limits import Outcome, Quota, day_of, quota
from srs.game.race import Limits, RaceRules

HOUR = dt.timedelta(hours=1)
RULES = RaceRules(
    slug="race-1",
    title="A race",
    timezone="Europe/Zurich",
    limits=Limits(defences_per_day=5, attacks_per_day=3, faulty_per_day=6),
    rounds=(),
)
NOON = dt.datetime(2027, 4, 14, 10, tzinfo=dt.UTC)
MIDNIGHT = dt.datetime(2027, 4, 14, 22, tzinfo=dt.UTC)


def sent(*outcomes: Outcome, at: dt.datetime = NOON) -> list[tuple[dt.datetime, Outcome]]:
    return [(at, outcome) for outcome in outcomes]


def test_a_fresh_day_has_every_slot() -> None:
    assert quota("defence", [], RULES, NOON) == Quota(5, 0, 6, 0, 5, MIDNIGHT)
    assert quota("attack", [], RULES, NOON) == Quota(3, 0, 6, 0, 3, MIDNIGHT)


def test_faulty_files_do_not_count_against_the_allowance() -> None:
    """T7: what fails the checks has its own cap."""
    found = quota("defence", sent(Outcome.ACCEPTED, Outcome.REJECTED, Outcome.REJECTED), RULES, NOON)
    assert (found.used, found.faulty, found.left) == (1, 2, 4)
    assert found.next_slot_at == found.resets_at == MIDNIGHT


def test_the_allowance_is_spent_by_files_with_and_without_verdict() -> None:
    """T7: five are five, and not one more."""
    uploads = sent(*[Outcome.ACCEPTED] * 3, Outcome.PENDING)
    assert quota("defence", uploads, RULES, NOON).left == 1
    assert quota("defence", [*uploads, (NOON, Outcome.PENDING)], RULES, NOON).left == 0


def test_a_lowered_limit_leaves_nothing_rather_than_less() -> None:
    assert quota("attack", sent(*[Outcome.ACCEPTED] * 5), RULES, NOON).left == 0


def test_the_cap_on_faulty_files_holds_pending_ones_against_it() -> None:
    """T7: five faulty and one without verdict could be six, so there is no seventh."""
    assert quota("defence", sent(*[Outcome.REJECTED] * 6), RULES, NOON).left == 0
    assert quota("defence", sent(*[Outcome.REJECTED] * 5, Outcome.PENDING), RULES, NOON).left == 0
    assert quota("defence", sent(*[Outcome.REJECTED] * 5, Outcome.ACCEPTED), RULES, NOON).left == 1


def test_only_the_day_of_the_race_counts() -> None:
    """T7: the day is half-open, and it is that of the race's timezone."""
    tick = dt.timedelta.resolution
    uploads = [
        *sent(Outcome.ACCEPTED, at=MIDNIGHT - 24 * HOUR - tick),
        *sent(Outcome.ACCEPTED, at=MIDNIGHT - 24 * HOUR),
        *sent(Outcome.ACCEPTED, at=MIDNIGHT - tick),
        *sent(Outcome.ACCEPTED, at=MIDNIGHT),
    ]
    assert quota("defence", uploads, RULES, NOON).used == 2
    assert quota("defence", uploads, RULES, MIDNIGHT).used == 1
    assert quota("defence", uploads, RULES, MIDNIGHT - tick).used == 2


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        ("Europe/Zurich", dt.date(2027, 3, 28), 23),
        ("Europe/Zurich", dt.date(2027, 10, 31), 25),
        ("Australia/Lord_Howe", dt.date(2027, 4, 4), 24.5),
        ("America/Santiago", dt.date(2027, 9, 5), 23),
        ("America/Santiago", dt.date(2027, 4, 3), 25),
        ("Pacific/Kiritimati", dt.date(2027, 4, 3), 24),
        ("America/St_Johns", dt.date(2027, 3, 14), 23),
    ],
)
def test_a_day_is_a_calendar_day_when_clocks_change(timezone: str, day: dt.date, hours: float) -> None:
    """T4: days of 23 to 25 hours, also where midnight itself is leapt over."""
    noon = dt.datetime.combine(day, dt.time(12), tzinfo=zoneinfo.ZoneInfo(timezone)).astimezone(dt.UTC)
    opens_at, closes_at = day_of(noon, timezone)
    assert (closes_at - opens_at) / HOUR == hours
    assert day_of(opens_at, timezone) == (opens_at, closes_at)
    assert day_of(closes_at - dt.timedelta.resolution, timezone) == (opens_at, closes_at)
    assert day_of(closes_at, timezone)[0] == closes_at

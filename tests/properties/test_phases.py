"""T1: at each instant a round is in exactly one phase, and the end of a phase no longer belongs to it."""

from __future__ import annotations

import datetime as dt
import random

from hypothesis import given
from hypothesis import strategies as st

from fixtures.sizes import record, size
from srs.game.phases import Phase, Round, attack_window, next_boundary, phase_at

MICROSECOND = dt.timedelta.resolution
EPOCH = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
SPAN_S = 10_000_000


def some_round(rng: random.Random) -> Round:
    """A round with distinct or equal boundaries, drawn in time, late, or not at all."""
    times = sorted(EPOCH + dt.timedelta(microseconds=rng.randrange(SPAN_S * 10**6)) for _ in range(4))
    if rng.random() < 0.3:
        times[2] = times[1]
    late = dt.timedelta(microseconds=rng.randrange(SPAN_S * 10**6))
    published_at = rng.choice([None, times[1], times[2], times[1] + late])
    return Round(1, *times, published_at=published_at)


def phases_holding(one: Round, now: dt.datetime) -> list[Phase]:
    """Every phase whose interval holds ``now``, from the definition of each interval by itself."""
    opens_at, closes_at = attack_window(one)
    if one.published_at is None:
        opens_at = closes_at = dt.datetime.max.replace(tzinfo=dt.UTC)
    start, end = dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)
    intervals = {
        Phase.BEFORE: (start, one.defence_opens_at),
        Phase.DEFENCE: (one.defence_opens_at, one.defence_closes_at),
        Phase.DRAWING: (one.defence_closes_at, opens_at),
        Phase.ATTACK: (opens_at, closes_at),
        Phase.CLOSED: (closes_at, end),
    }
    return [phase for phase, (opens, closes) in intervals.items() if opens <= now < closes]


def test_exactly_one_phase_at_random_instants_and_at_every_boundary() -> None:
    """T1: 10 000 random instants, and every boundary with the microsecond before and after it."""
    rng = random.Random(1)
    tried = 0
    for _ in range(size(500, 5000)):
        one = some_round(rng)
        boundaries = [one.defence_opens_at, one.defence_closes_at, one.attack_opens_at, *attack_window(one)]
        instants = [EPOCH + dt.timedelta(microseconds=rng.randrange(2 * SPAN_S * 10**6)) for _ in range(20)]
        instants += [at + step for at in boundaries for step in (-MICROSECOND, MICROSECOND * 0, MICROSECOND)]
        for now in instants:
            assert phases_holding(one, now) == [phase_at(one, now)]
        tried += len(instants)
    assert tried >= 10_000
    record("T1", tried, note="instants, each in exactly one phase")


@given(st.randoms(use_true_random=False))
def test_phases_only_go_forward_and_change_at_boundaries_only(rng: random.Random) -> None:
    """T1: between two boundaries nothing changes, over a boundary the phase never goes back."""
    one = some_round(rng)
    order = list(Phase)
    now: dt.datetime | None = EPOCH - MICROSECOND
    phase = Phase.BEFORE
    while now is not None:
        assert order.index(phase) <= order.index(phase_at(one, now))
        phase = phase_at(one, now)
        now = next_boundary([one], now)
        if now is not None:
            assert phase_at(one, now - MICROSECOND) is phase

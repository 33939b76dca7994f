"""Phases as a function of a round's times and one instant: half-open intervals, no clock."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Phase(enum.StrEnum):
    """Where a round stands; exactly one at each instant."""

    BEFORE = "before"
    DEFENCE = "defence"
    DRAWING = "drawing"
    ATTACK = "attack"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Round:
    """The times of one round, aware UTC, each not before the one above it.

    ``published_at`` is when the bundles of the draw were ready, ``None`` before. ``ValueError`` if a time has no
    zone or stands before an earlier one.
    """

    number: int
    defence_opens_at: dt.datetime
    defence_closes_at: dt.datetime
    attack_opens_at: dt.datetime
    attack_closes_at: dt.datetime
    published_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        times = (self.defence_opens_at, self.defence_closes_at, self.attack_opens_at, self.attack_closes_at)
        if any(at.utcoffset() is None for at in (*times, self.published_at) if at is not None):
            raise ValueError(f"round {self.number} has a time without a zone")
        if list(times) != sorted(times):
            raise ValueError(f"the times of round {self.number} are not in order")


def attack_window(race_round: Round) -> tuple[dt.datetime, dt.datetime]:
    """When the attack phase opens and closes.

    It opens when it is due *and* the bundles are published, and keeps its full length from there. Before the
    publication this is the earliest window that is still possible, the planned one.
    """
    length = race_round.attack_closes_at - race_round.attack_opens_at
    opens_at = max(race_round.attack_opens_at, race_round.published_at or race_round.attack_opens_at)
    return opens_at, opens_at + length


def phase_at(race_round: Round, now: dt.datetime) -> Phase:
    """The phase of a round at ``now``; an interval holds its beginning and not its end."""
    if now < race_round.defence_opens_at:
        return Phase.BEFORE
    if now < race_round.defence_closes_at:
        return Phase.DEFENCE
    opens_at, closes_at = attack_window(race_round)
    if race_round.published_at is None or now < opens_at:
        return Phase.DRAWING
    return Phase.ATTACK if now < closes_at else Phase.CLOSED


def current_round(rounds: Sequence[Round], now: dt.datetime) -> Round:
    """The round to look at: the first that is not closed, or the last one when all are (at least one is given)."""
    in_order = sorted(rounds, key=lambda one: one.number)
    return next((one for one in in_order if phase_at(one, now) is not Phase.CLOSED), in_order[-1])


def next_boundary(rounds: Sequence[Round], now: dt.datetime) -> dt.datetime | None:
    """The first instant after ``now`` at which a phase of a round begins or ends as planned, if there is one."""
    boundaries = (
        at for one in rounds for at in (one.defence_opens_at, one.defence_closes_at, *attack_window(one)) if at > now
    )
    return min(boundaries, default=None)

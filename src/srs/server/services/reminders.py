"""What is told by the clock: a phase has opened, a deadline is near, a round is over.

``announce`` is called by every tender beside ``rounds.advance``. What is due follows from a round's boundaries and the
moment alone, so a tender that was down tells what is still true and nothing else: no reminder of a deadline that has
passed, no opening of a phase that is over. A boundary that moves arms its reminders again, because their keys hold it.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from srs.game import phases
from srs.game.phases import Phase, attack_window, phase_at
from srs.server.services import news
from srs.server.services.standings import is_final
from srs.server.store import clock
from srs.server.store.engine import Session, Store
from srs.server.store.matches import matches_of_round
from srs.server.store.notices import FINAL, announced, claim_announcement, unfinished_rounds
from srs.server.store.races import Race
from srs.server.store.rounds import Round, lock_round

HOURS_BEFORE = (1, 24)
"""When a team is reminded of a deadline; the nearest one that has come is told."""
STALE = dt.timedelta(days=7)
"""A round that has been over for longer was told of, or is of no interest: a restored backup tells no old stories."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Due:
    """One announcement about a round: the end of a round, the opening of a phase, or a reminder some hours before."""

    phase: Phase
    ends_at: dt.datetime
    hours: int | None = None

    @property
    def key(self) -> str:
        """What it is called in the table of announcements."""
        if self.phase is Phase.CLOSED:
            return FINAL
        return f"{self.phase} open" if self.hours is None else f"{self.phase} {self.ends_at.isoformat()} {self.hours}"


def due_at(of_round: phases.Round, moment: dt.datetime) -> list[Due]:
    """What a round has to be told of at a moment, told already or not. A round is over at the latest when all verdicts
    are in, which is more than its times say.
    """
    phase = phase_at(of_round, moment)
    attack_opens_at, attack_closes_at = attack_window(of_round)
    if phase is Phase.CLOSED:
        return [Due(phase, attack_closes_at)]
    if phase is Phase.DEFENCE:
        opens_at, closes_at = of_round.defence_opens_at, of_round.defence_closes_at
        return [Due(phase, closes_at), *_reminders(phase, opens_at, closes_at, moment)]
    if phase is Phase.ATTACK:
        # The draw that came late has just said that the phase is open.
        waited = of_round.published_at is not None and of_round.published_at < of_round.attack_opens_at
        opening = [Due(phase, attack_closes_at)] if waited else []
        return [*opening, *_reminders(phase, attack_opens_at, attack_closes_at, moment)]
    return []


def _reminders(phase: Phase, opens_at: dt.datetime, closes_at: dt.datetime, moment: dt.datetime) -> list[Due]:
    for hours in HOURS_BEFORE:
        remind_at = closes_at - dt.timedelta(hours=hours)
        if opens_at < remind_at <= moment:
            return [Due(phase, closes_at, hours)]
    return []


def announce(store: Store) -> None:
    """Tell everything that the clock has made due and nobody has told. The trouble of one holds up no other."""
    with store.read() as session:
        moment = clock.now(session)
        rounds = unfinished_rounds(session, moment)
        told = announced(session, [one.id for one in rounds])
        due = [
            (one.id, each)
            for one in rounds
            for each in due_at(one.times(), moment)
            if (one.id, each.key) not in told and _is_true(session, one, each, moment)
        ]
    for round_id, each in due:
        try:
            _announce(store, round_id, each)
        except Exception:  # noqa: BLE001  (it is logged and tried again by the next sweep)
            _log.exception("announcement %r of round %d", each.key, round_id)


def _is_true(session: Session, of_round: Round, due: Due, moment: dt.datetime) -> bool:
    """A round is over with its last verdict; an attack phase without a match asks nobody for anything."""
    if due.phase is Phase.CLOSED:
        return is_final(session, of_round, moment)
    return due.phase is not Phase.ATTACK or any(
        match.void_at is None for match in matches_of_round(session, of_round.id)
    )


def _announce(store: Store, round_id: int, due: Due) -> None:
    with store.work() as session:
        of_round = lock_round(session, round_id)
        moment = clock.now(session)
        # Looked at again under the lock: staff may have moved the boundary, another tender may have told it.
        if due not in due_at(of_round.times(), moment):
            return
        if not claim_announcement(session, round_id, due.key, moment):
            return
        race = session.get_one(Race, of_round.race_id)
        if due.phase is Phase.CLOSED:
            if moment < due.ends_at + STALE:
                news.about_final(session, race, of_round)
        elif due.hours is None:
            news.about_open_phase(session, race, of_round, due.phase, due.ends_at)
        else:
            news.remind(session, race, of_round, due.phase, due.ends_at, due.hours)

"""What becomes due in a round: the draw, its publication; and the boundaries that staff may move.

``advance`` is called by every sweeper. Each step locks its round and looks again, so that many may call it at
once and each thing happens once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from dataclasses import dataclass
from itertools import pairwise

from srs.errors import InputError, StateError
from srs.game.access import Action
from srs.game.draw import Pair, draw
from srs.game.phases import attack_window
from srs.server.bell import Bell
from srs.server.services import news
from srs.server.services.access import Person, require
from srs.server.services.submissions import GRACE_S
from srs.server.services.wording import boundary_in_words, moment_in_words
from srs.server.store import clock, events
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import BUNDLE, PARKED, PENDING, Job
from srs.server.store.matches import Match, has_unprepared, matches_of_race
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import (
    Round,
    lock_round,
    race_of_round,
    round_by_number,
    rounds_of,
    undrawn_rounds,
    unpublished_rounds,
)
from srs.server.store.scores import latest_defences
from srs.server.store.submissions import DEFENCE, states_of_round
from srs.server.store.teams import Team, teams_of_race

GRACE = dt.timedelta(seconds=GRACE_S)
PARKED_HOLDS = dt.timedelta(minutes=30)
"""How long a job that needs staff holds up everybody else."""

BOUNDARIES = ("defence_opens_at", "defence_closes_at", "attack_opens_at", "attack_closes_at")

_log = logging.getLogger(__name__)


def advance(store: Store, bell: Bell) -> None:
    """Do every draw and publication that is due. The trouble of one round does not hold up another."""
    with store.read() as session:
        moment = clock.now(session)
        undrawn = [due.id for due in undrawn_rounds(session, moment - GRACE)]
        unpublished = [due.id for due in unpublished_rounds(session)]
    for step, round_ids in ((_draw, undrawn), (_publish, unpublished)):
        for round_id in round_ids:
            try:
                bell.ring(step(store, round_id))
            except Exception:  # noqa: BLE001  (it is logged, tried again by the next sweep, and staff see a round that waits)
                _log.exception("round %d", round_id)


def _draw(store: Store, round_id: int) -> list[int]:
    """Draw a round if it is due and every verdict is in; the ids of the bundles that are to be prepared."""
    with store.work() as session:
        race = race_of_round(session, round_id, lock=True)
        due = lock_round(session, round_id)
        moment = clock.now(session)
        # Looked at again under the lock: somebody may have drawn it, or staff moved its deadline.
        is_due = due.drawn_at is None and due.defence_closes_at + GRACE <= moment
        if not is_due or not _verdicts_are_in(session, due, moment):
            return []
        teams = {team.number: team for team in teams_of_race(session, race.id) if _takes_part(team)}
        defences = latest_defences(session, due)
        drawn = {number: defences[team.id] for number, team in teams.items() if team.id in defences}
        rules = race.rules
        pairs = draw(
            defenders=list(drawn),
            attackers=list(teams),
            per_team=rules.matches.per_team,
            seed=due.draw_seed,
            earlier_pairs=_earlier_pairs(session, race, due),
            avoid_repeats=rules.matches.avoid_repeats,
        )
        for score in drawn.values():
            score.is_drawn = True
        jobs = _new_matches(session, race, due, teams, [(pair, drawn[pair.defender].submission_id) for pair in pairs])
        due.drawn_at = moment
        due.published_at = None if jobs else moment
        detail = {"attackers": sorted(teams), "defenders": sorted(drawn), "seed": due.draw_seed.hex()}
        events.log(session, "round.drawn", f"round {due.number}", moment, race_id=race.id, detail=detail)
        if not jobs:
            news.about_draw(session, race, due)
        return [job.id for job in jobs]


def _takes_part(team: Team) -> bool:
    return team.excluded_at is None and bool(team.members)


def _verdicts_are_in(session: Session, due: Round, moment: dt.datetime) -> bool:
    states = states_of_round(session, due.id, DEFENCE)
    if states.keys() & set(PENDING):
        return False
    return PARKED not in states or moment >= due.defence_closes_at + PARKED_HOLDS


def _earlier_pairs(session: Session, race: Race, due: Round) -> set[tuple[int, int]]:
    return {
        (match.attacker.number, match.defender.number)
        for match in matches_of_race(session, race.id)
        if match.round.number < due.number
    }


def _new_matches(
    session: Session, race: Race, due: Round, teams: dict[int, Team], pairs: list[tuple[Pair, int]]
) -> list[Job]:
    """Matches, each frozen to a defence and with its own run of capture ids, as the jobs that prepare their bundles."""
    queued_at, test_traces = database_now(session), race.rules.split.test_traces
    new = []
    for pair, defence_id in pairs:
        attacker, defender = teams[pair.attacker], teams[pair.defender]
        match = Match(
            race_id=race.id,
            round_id=due.id,
            attacker_id=attacker.id,
            defender_id=defender.id,
            defence_id=defence_id,
            order_seed=_order_seed(race, due, attacker, defender),
            first_capture=race.captures_given,
        )
        race.captures_given += test_traces
        new.append(Job(kind=BUNDLE, race_id=race.id, team_id=attacker.id, match=match, queued_at=queued_at))
    session.add_all(new)
    session.flush()
    return new


def _order_seed(race: Race, due: Round, attacker: Team, defender: Team) -> bytes:
    """Secret, its own for each match, and the same whenever the race is played again from the same secrets."""
    of = f"{due.number}/{attacker.number}/{defender.number}".encode()
    return hashlib.blake2b(of, key=race.capture_key, person=b"srs.match.order", digest_size=32).digest()


def _publish(store: Store, round_id: int) -> list[int]:
    """Open the attack phase as soon as every bundle of the round is ready; void matches are not waited for."""
    with store.work() as session:
        drawn = lock_round(session, round_id)
        if drawn.published_at is None and not has_unprepared(session, drawn.id):
            drawn.published_at = clock.now(session)
            events.log(session, "round.published", f"round {drawn.number}", drawn.published_at, race_id=drawn.race_id)
            news.about_draw(session, session.get_one(Race, drawn.race_id), drawn)
    return []


def move_boundary(
    store: Store, person: Person, slug: str, round_number: int, boundary: str, at: dt.datetime, reason: str
) -> dt.datetime:
    """Move one boundary of a round. Only into the future, never across another one, and with a reason.

    ``at`` is the moment that people shall see: the end of an attack phase that opened late is its real end. Returns
    the moment that it had before.
    """
    with store.work() as session:
        race = race_by_slug(session, slug, lock=True)
        require(session, person, race, Action.MOVE_BOUNDARY)
        if boundary not in BOUNDARIES:
            known = ", ".join(BOUNDARIES)
            raise InputError("round.boundary", f"{boundary[:60]!r} is not a boundary; there are {known}.")
        if not reason.strip():
            raise InputError("round.reason", "Say why: the reason is kept in the audit log.")
        moved = round_by_number(session, race.id, round_number, lock=True)
        before = in_effect(moved, boundary)
        zone = race.rules.timezone
        _refuse_past(moved, boundary, at, clock.now(session), zone)
        setattr(moved, boundary, getattr(moved, boundary) + (at - before))
        _refuse_disorder(rounds_of(session, race.id), zone)
        events.log(
            session,
            "round.moved",
            f"round {round_number}",
            clock.now(session),
            race_id=race.id,
            user_id=person.user_id or None,
            reason=reason.strip()[:500],
            detail={"boundary": boundary, "from": before.isoformat(), "to": at.isoformat()},
        )
        news.about_moved_boundary(session, race, moved, boundary, before, at)
        return before


def in_effect(of_round: Round, boundary: str) -> dt.datetime:
    """When a boundary really is: an attack phase whose bundles came late opens and closes later than planned."""
    opens_at, closes_at = attack_window(of_round.times())
    moved: dict[str, dt.datetime] = {"attack_opens_at": opens_at, "attack_closes_at": closes_at}
    planned: dt.datetime = getattr(of_round, boundary)
    return moved.get(boundary, planned)


def is_movable(of_round: Round, boundary: str, moment: dt.datetime) -> bool:
    """Whether a boundary may be moved at ``moment``: it is ahead, or it is the end before a draw that is not made."""
    return in_effect(of_round, boundary) > moment or (boundary == "defence_closes_at" and of_round.drawn_at is None)


def _refuse_past(moved: Round, boundary: str, at: dt.datetime, moment: dt.datetime, zone: str) -> None:
    before = in_effect(moved, boundary)
    what, since = boundary_in_words(boundary, moved.number).capitalize(), moment_in_words(before, zone)
    if at <= moment:
        raise InputError("round.past", f"{moment_in_words(at, zone)} has passed; choose a moment in the future.")
    if not is_movable(moved, boundary, moment):
        raise StateError("round.boundary-passed", f"{what} passed at {since}; move one that is still ahead.")
    if at == before.replace(microsecond=0):
        raise InputError("round.moment", f"{what} is at {since} already; choose another time.")


def _refuse_disorder(rounds: list[Round], zone: str) -> None:
    moments = [(getattr(one, name), one.number, name) for one in rounds for name in BOUNDARIES]
    for (earlier, first, first_name), (later, second, second_name) in pairwise(moments):
        touches = first_name.endswith("closes_at") and earlier == later
        if not (earlier < later or touches):
            (phase, verb, _at), (phase_before, verb_before, _at) = second_name.split("_"), first_name.split("_")
            order = "before" if later < earlier else "at the moment when"
            raise InputError(
                "round.order",
                f"The {phase} phase of round {second} would {verb.removesuffix('s')} ({moment_in_words(later, zone)}) "
                f"{order} the {phase_before} phase of round {first} {verb_before} ({moment_in_words(earlier, zone)}). "
                "Choose another time, or move the other one first.",
            )


@dataclass(frozen=True)
class DrawCandidate:
    """Whether a team's defence is in the draw of a round, and why (not)."""

    team: Team
    is_in: bool
    why: str


def preview_draw(session: Session, race: Race, of_round: Round) -> list[DrawCandidate]:
    """Who would be in the draw now. Never the pairs: nobody knows them before the draw."""
    defences = latest_defences(session, of_round)
    states = states_of_round(session, of_round.id, DEFENCE)
    waiting = set().union(*(states.get(state, set()) for state in (*PENDING, PARKED)))
    return [_candidate(team, team.id in defences, team.id in waiting) for team in teams_of_race(session, race.id)]


def _candidate(team: Team, has_defence: bool, waits: bool) -> DrawCandidate:
    if team.excluded_at is not None:
        return DrawCandidate(team, False, f"excluded: {team.exclusion_reason}")
    if waits:
        return DrawCandidate(team, has_defence, "a verdict is still to come")
    if has_defence:
        return DrawCandidate(team, True, "its defence received last is accepted")
    return DrawCandidate(team, False, "no accepted defence; it attacks, and has no total")

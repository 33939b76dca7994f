"""What becomes due in a round: the draw, its publication; and the boundaries that staff may move.

``advance`` is called by every sweeper. Each step locks its round and looks again, so that many may call it at
once and each thing happens once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from itertools import pairwise

from srs.errors import InputError, StateError
from srs.game.access import Action
from srs.game.draw import draw
from srs.game.phases import attack_window
from srs.server.bell import Bell
from srs.server.services.access import Person, require
from srs.server.services.submissions import GRACE_S
from srs.server.store import clock, events
from srs.server.store.base import HELD
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import BUNDLE, PARKED, PENDING, Job
from srs.server.store.matches import Match, matches_of_race, matches_of_round
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import Round, lock_round, round_by_number, rounds_of, undrawn_rounds, unpublished_rounds
from srs.server.store.scores import latest_defences
from srs.server.store.submissions import DEFENCE, jobs_of_round
from srs.server.store.teams import Team, teams_of_race

PARKED_HOLDS_DRAW = dt.timedelta(minutes=30)
BOUNDARIES = ("defence_opens_at", "defence_closes_at", "attack_opens_at", "attack_closes_at")


def advance(store: Store, bell: Bell) -> None:
    """Do every draw and publication that is due."""
    with store.read() as session:
        moment = clock.now(session)
        undrawn = [due.id for due in undrawn_rounds(session, moment - dt.timedelta(seconds=GRACE_S))]
        unpublished = [due.id for due in unpublished_rounds(session)]
    for round_id in undrawn:
        bell.ring(_draw(store, round_id))
    for round_id in unpublished:
        _publish(store, round_id)


def _draw(store: Store, round_id: int) -> list[int]:
    """Draw a round if every verdict is in; the ids of the bundles that are to be prepared."""
    with store.work() as session:
        due = lock_round(session, round_id)
        moment = clock.now(session)
        if due.drawn_at is not None or not _verdicts_are_in(session, due, moment):
            return []
        race = session.get_one(Race, due.race_id, with_for_update=HELD)
        defences = latest_defences(session, due.id)
        teams = {team.id: team for team in teams_of_race(session, race.id) if _takes_part(team)}
        by_number = {team.number: team for team in teams.values()}
        pairs = draw(
            defenders=[teams[team_id].number for team_id in defences if team_id in teams],
            attackers=list(by_number),
            per_team=race.rules.matches.per_team,
            seed=due.draw_seed,
            earlier_pairs=_earlier_pairs(session, race, due),
            avoid_repeats=race.rules.matches.avoid_repeats,
        )
        due.drawn_at, queued_at = moment, database_now(session)
        new = [
            _new_match(race, due, by_number[pair.attacker], defender, defences[defender.id].submission_id, queued_at)
            for pair in pairs
            for defender in [by_number[pair.defender]]
        ]
        session.add_all(new)
        session.flush()
        if not new:
            due.published_at = moment
        events.log(
            session,
            "round.drawn",
            f"round {due.number}",
            moment,
            race_id=race.id,
            detail={"matches": len(pairs), "defences": len(defences), "seed": due.draw_seed.hex()},
        )
        return [job.id for job in new]


def _takes_part(team: Team) -> bool:
    return team.excluded_at is None and bool(team.members)


def _verdicts_are_in(session: Session, due: Round, moment: dt.datetime) -> bool:
    states = {job.state for job in jobs_of_round(session, due.id, DEFENCE)}
    if states & set(PENDING):
        return False
    return PARKED not in states or moment >= due.defence_closes_at + PARKED_HOLDS_DRAW


def _earlier_pairs(session: Session, race: Race, due: Round) -> set[tuple[int, int]]:
    return {
        (match.attacker.number, match.defender.number)
        for match in matches_of_race(session, race.id)
        if match.round.number < due.number
    }


def _new_match(race: Race, due: Round, attacker: Team, defender: Team, defence_id: int, moment: dt.datetime) -> Job:
    """A match, frozen to the defence, with its own run of capture ids; as the job that prepares its bundle."""
    match = Match(
        race_id=race.id,
        round_id=due.id,
        attacker_id=attacker.id,
        defender_id=defender.id,
        defence_id=defence_id,
        order_seed=_order_seed(race, due, attacker, defender),
        first_capture=race.captures_given,
    )
    race.captures_given += race.rules.split.test_traces
    return Job(kind=BUNDLE, race_id=race.id, team_id=attacker.id, match=match, queued_at=moment)


def _order_seed(race: Race, due: Round, attacker: Team, defender: Team) -> bytes:
    """Secret, its own for each match, and the same whenever the race is played again from the same secrets."""
    of = f"{due.number}/{attacker.number}/{defender.number}".encode()
    return hashlib.blake2b(of, key=race.capture_key, person=b"srs.match.order", digest_size=32).digest()


def _publish(store: Store, round_id: int) -> None:
    """Open the attack phase as soon as every bundle of the round is ready."""
    with store.work() as session:
        drawn = lock_round(session, round_id)
        matches = matches_of_round(session, drawn.id)
        if drawn.published_at is None and all(match.files for match in matches):
            drawn.published_at = clock.now(session)
            events.log(session, "round.published", f"round {drawn.number}", drawn.published_at, race_id=drawn.race_id)


def move_boundary(
    store: Store, person: Person, slug: str, round_number: int, boundary: str, at: dt.datetime, reason: str
) -> None:
    """Move one boundary of a round. Only into the future, never across another one, and with a reason."""
    if boundary not in BOUNDARIES:
        raise InputError("round.boundary", f"{boundary[:60]!r} is not a boundary; there are {', '.join(BOUNDARIES)}.")
    if not reason.strip():
        raise InputError("round.reason", "Say why: the reason is kept in the audit log.")
    with store.work() as session:
        race = race_by_slug(session, slug)
        require(session, person, race, Action.MOVE_BOUNDARY)
        moved = round_by_number(session, race.id, round_number, lock=True)
        before: dt.datetime = getattr(moved, boundary)
        _refuse_past(moved, boundary, before, at, clock.now(session))
        setattr(moved, boundary, at)
        _refuse_disorder(rounds_of(session, race.id))
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


def _refuse_past(moved: Round, boundary: str, before: dt.datetime, at: dt.datetime, moment: dt.datetime) -> None:
    in_effect = attack_window(moved.times())[1] if boundary == "attack_closes_at" else before
    if at <= moment:
        raise InputError("round.past", f"{at:%Y-%m-%d %H:%M} UTC has passed; choose a moment in the future.")
    if in_effect <= moment and not (boundary == "defence_closes_at" and moved.drawn_at is None):
        raise StateError(
            "round.boundary-passed", f"This boundary passed at {in_effect:%Y-%m-%d %H:%M} UTC and cannot be moved now."
        )


def _refuse_disorder(rounds: list[Round]) -> None:
    moments = [(getattr(one, name), one.number, name) for one in rounds for name in BOUNDARIES]
    for (earlier, first, first_name), (later, second, second_name) in pairwise(moments):
        touches = first_name.endswith("closes_at") and earlier == later
        if not (earlier < later or touches):
            raise InputError(
                "round.order",
                f"{second_name} of round {second} ({later:%Y-%m-%d %H:%M} UTC) would come before "
                f"{first_name} of round {first} ({earlier:%Y-%m-%d %H:%M} UTC).",
            )


@dataclass(frozen=True)
class DrawCandidate:
    """Whether a team's defence is in the draw of a round, and why (not)."""

    team: Team
    is_in: bool
    why: str


def preview_draw(session: Session, race: Race, of_round: Round) -> list[DrawCandidate]:
    """Who would be in the draw now. Never the pairs: nobody knows them before the draw."""
    defences = latest_defences(session, of_round.id)
    waiting = {job.team_id for job in jobs_of_round(session, of_round.id, DEFENCE) if job.state in (*PENDING, PARKED)}
    return [_candidate(team, team.id in defences, team.id in waiting) for team in teams_of_race(session, race.id)]


def _candidate(team: Team, has_defence: bool, waits: bool) -> DrawCandidate:
    if team.excluded_at is not None:
        return DrawCandidate(team, False, f"excluded: {team.exclusion_reason}")
    if waits:
        return DrawCandidate(team, has_defence, "a verdict is still to come")
    if has_defence:
        return DrawCandidate(team, True, "its defence received last is accepted")
    return DrawCandidate(team, False, "no accepted defence; it attacks, and has no total")

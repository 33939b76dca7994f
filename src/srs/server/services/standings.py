"""Standings of a round and of a race, computed from the scores each time: nothing to go stale."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from srs.game.phases import Phase, attack_window, phase_at
from srs.game.standings import Entry, combine_rounds, rank
from srs.judging.attack import public_feedback
from srs.scoring.schemes import Scheme, scheme
from srs.server.services.rounds import GRACE, PARKED_HOLDS
from srs.server.store import clock
from srs.server.store.engine import Session
from srs.server.store.jobs import PARKED, PENDING
from srs.server.store.matches import Match, matches_of_round
from srs.server.store.races import Race
from srs.server.store.rounds import Round, rounds_of
from srs.server.store.scores import AttackScore, latest_attacks, latest_defences
from srs.server.store.submissions import ATTACK, states_of_round
from srs.server.store.teams import Team, teams_of_race


@dataclass(frozen=True)
class MatchResult:
    """One match as its attacker stands in it; ``auc`` and ``accuracy`` are ``None`` without an attack."""

    match: Match
    auc: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Standing:
    """One row of a ranking. ``total`` is ``None`` without an accepted defence; such teams share the last rank."""

    rank: int
    team: Team
    utility: float | None
    attack: float | None
    total: float | None
    matches: tuple[MatchResult, ...] = ()


def is_final(session: Session, of_round: Round, moment: dt.datetime) -> bool:
    """Whether a round is over: its attack phase closed, its last upload ended, every verdict in.

    A parked one is waited for as long as before a draw.
    """
    if phase_at(of_round.times(), moment) is not Phase.CLOSED:
        return False
    if moment < attack_window(of_round.times())[1] + GRACE:
        return False
    states = states_of_round(session, of_round.id, ATTACK)
    if states.keys() & set(PENDING):
        return False
    return PARKED not in states or moment >= attack_window(of_round.times())[1] + PARKED_HOLDS


def round_standings(session: Session, race: Race, of_round: Round) -> list[Standing]:
    """The ranking of one round: provisional by the public part of the test sets, final by the rest of them."""
    final = is_final(session, of_round, clock.now(session))
    by = scheme(race.rules.scoring.scheme)
    defences = latest_defences(session, of_round)
    results = _results(session, of_round, final=final)
    rows = {}
    for team in teams_of_race(session, race.id):
        if team.excluded_at is None and team.members:
            own = tuple(results.get(team.id, ()))
            utility = defences[team.id].utility if team.id in defences else None
            rows[team.number] = _unranked(by, team, utility, own)
    return _ranked(rows)


def _unranked(by: Scheme, team: Team, utility: float | None, results: tuple[MatchResult, ...]) -> Standing:
    attack = by.attack([result.auc for result in results])
    return Standing(0, team, utility, attack, by.total(utility, attack), results)


def _ranked(rows: dict[int, Standing]) -> list[Standing]:
    entries = [Entry(number, row.total) for number, row in rows.items()]
    return [_with_rank(rows[ranked.team], ranked.rank) for ranked in rank(entries)]


def _with_rank(row: Standing, place: int) -> Standing:
    return Standing(place, row.team, row.utility, row.attack, row.total, row.matches)


def _results(session: Session, of_round: Round, *, final: bool) -> dict[int, list[MatchResult]]:
    attacks = latest_attacks(session, of_round.id)
    results: dict[int, list[MatchResult]] = {}
    for match in matches_of_round(session, of_round.id):
        if match.void_at is None:
            result = _result(match, attacks.get(match.id), final=final)
            results.setdefault(match.attacker_id, []).append(result)
    return results


def _result(match: Match, score: AttackScore | None, *, final: bool) -> MatchResult:
    if score is None:
        return MatchResult(match, None, None)
    if final:
        return MatchResult(match, score.final["auc"], score.final["accuracy"])
    return MatchResult(match, **public_feedback(score.public))


def race_standings(session: Session, race: Race) -> list[Standing]:
    """The overall ranking of a race over its final rounds, as ``scoring.over_rounds`` says; empty for "none"."""
    how = race.rules.scoring.over_rounds
    moment = clock.now(session)
    over = [one for one in rounds_of(session, race.id) if is_final(session, one, moment)]
    if how == "none" or not over:
        return []
    by_round = [{row.team.number: row for row in round_standings(session, race, one)} for one in over]
    rows = {}
    for number, last in by_round[-1].items():
        totals = [rows_of_round[number].total for rows_of_round in by_round if number in rows_of_round]
        rows[number] = Standing(0, last.team, last.utility, last.attack, combine_rounds(totals, how))
    return _ranked(rows)

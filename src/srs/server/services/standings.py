"""Standings of a round and of a race, computed from the scores each time: nothing to go stale."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from srs.game.phases import Phase, attack_window, phase_at
from srs.game.race import RaceRules
from srs.game.standings import Entry, combine_rounds, rank
from srs.judging.attack import public_feedback
from srs.scoring.schemes import scheme
from srs.server.services.rounds import GRACE, PARKED_HOLDS
from srs.server.store import clock
from srs.server.store.engine import Session
from srs.server.store.jobs import PARKED, PENDING
from srs.server.store.races import Race
from srs.server.store.results import (
    AttackResult,
    DefenceResult,
    attack_results,
    attack_states,
    attackers,
    defence_results,
)
from srs.server.store.rounds import Round, rounds_of
from srs.server.store.teams import Team, teams_of_race


@dataclass(frozen=True)
class MatchResult:
    """One match as its attacker stands in it; ``auc`` and ``accuracy`` are ``None`` without an attack.

    ``score_id`` leads to every metric: ``None`` without an attack and until the round is final.
    """

    attacker: Team
    defender: Team
    auc: float | None
    accuracy: float | None
    score_id: int | None = None


@dataclass(frozen=True)
class Standing:
    """One row of a ranking. ``total`` is ``None`` without an accepted defence; such teams share the last rank.

    ``metrics`` are the utility metrics of the defence that counts.
    """

    rank: int
    team: Team
    utility: float | None
    attack: float | None
    total: float | None
    matches: tuple[MatchResult, ...] = ()
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True)
class RoundStandings:
    """The ranking of one round: provisional by the public part of the test sets, final by the rest of them."""

    of_round: Round
    is_final: bool
    rows: tuple[Standing, ...]

    def of(self, team: Team) -> Standing | None:
        """The row of a team, if it is in the ranking."""
        return next((row for row in self.rows if row.team.id == team.id), None)


def is_final(session: Session, of_round: Round, moment: dt.datetime) -> bool:
    """Whether a round is over: its attack phase closed, its last upload ended, every verdict in.

    A parked one is waited for as long as before a draw.
    """
    return of_round.id in _final_rounds(session, [of_round], moment)


def _final_rounds(session: Session, rounds: Iterable[Round], moment: dt.datetime) -> set[int]:
    closed = [one for one in rounds if _is_past(one, moment)]
    states = attack_states(session, closed) if closed else {}
    return {one.id for one in closed if _verdicts_are_in(one, states.get(one.id, set()), moment)}


def _is_past(of_round: Round, moment: dt.datetime) -> bool:
    times = of_round.times()
    return phase_at(times, moment) is Phase.CLOSED and moment >= attack_window(times)[1] + GRACE


def _verdicts_are_in(of_round: Round, states: set[str], moment: dt.datetime) -> bool:
    if states & set(PENDING):
        return False
    return PARKED not in states or moment >= attack_window(of_round.times())[1] + PARKED_HOLDS


def standings_of(session: Session, race: Race, rounds: Sequence[Round], moment: dt.datetime) -> list[RoundStandings]:
    """The rankings of several rounds of a race, in as many queries as that of one."""
    teams = {team.id: team for team in teams_of_race(session, race.id)}
    final = _final_rounds(session, rounds, moment)
    drawn = attackers(session, rounds)
    defences: dict[int, dict[int, DefenceResult]] = {}
    for defence in defence_results(session, rounds):
        defences.setdefault(defence.round_id, {})[defence.team_id] = defence
    attacks: dict[int, list[AttackResult]] = {}
    for attack in attack_results(session, rounds):
        attacks.setdefault(attack.round_id, []).append(attack)
    found = []
    for one in rounds:
        own = defences.get(one.id, {})
        playing = _playing(one, teams.values(), drawn.get(one.id, set()) | own.keys())
        results = _results(attacks.get(one.id, []), teams, final=one.id in final)
        found.append(RoundStandings(one, one.id in final, _ranking(race.rules, playing, own, results)))
    return found


def _playing(of_round: Round, teams: Iterable[Team], drawn: Collection[int]) -> list[Team]:
    """The teams of a round: until its draw whoever would be in it, then for good whoever was in it.

    Every team in a draw has a match, or is the only one that defends; where nobody defends, all there were stay without
    a total. Who comes or goes later changes no ranking; an exclusion does, for it makes matches void.
    """
    allowed = [team for team in teams if team.excluded_at is None]
    if of_round.drawn_at is None:
        return [team for team in allowed if team.members]
    if not drawn:
        return [team for team in allowed if team.created_at <= of_round.drawn_at]
    return [team for team in allowed if team.id in drawn]


def round_standings(session: Session, race: Race, of_round: Round) -> list[Standing]:
    """The ranking of one round now."""
    return list(standings_of(session, race, [of_round], clock.now(session))[0].rows)


def _ranking(
    rules: RaceRules,
    teams: Iterable[Team],
    defences: Mapping[int, DefenceResult],
    results: Mapping[int, list[MatchResult]],
) -> tuple[Standing, ...]:
    by = scheme(rules.scoring.scheme)
    rows = {}
    for team in teams:
        own, defence = tuple(results.get(team.id, ())), defences.get(team.id)
        utility = defence.utility if defence else None
        attack = by.attack([result.auc for result in own])
        total = by.total(utility, attack)
        rows[team.number] = Standing(0, team, utility, attack, total, own, defence.metrics if defence else None)
    return _ranked(rows)


def _ranked(rows: Mapping[int, Standing]) -> tuple[Standing, ...]:
    entries = [Entry(number, row.total) for number, row in rows.items()]
    return tuple(replace(rows[ranked.team], rank=ranked.rank) for ranked in rank(entries))


def _results(
    attacks: Iterable[AttackResult], teams: Mapping[int, Team], *, final: bool
) -> dict[int, list[MatchResult]]:
    results: dict[int, list[MatchResult]] = {}
    for attack in attacks:
        attacker, defender = teams[attack.attacker_id], teams[attack.defender_id]
        if attack.public is None:
            result = MatchResult(attacker, defender, None, None)
        elif final:
            result = MatchResult(attacker, defender, attack.auc, attack.accuracy, attack.score_id)
        else:
            shown = public_feedback(attack.public)
            result = MatchResult(attacker, defender, shown["auc"], shown["accuracy"])
        results.setdefault(attack.attacker_id, []).append(result)
    return results


def race_standings(session: Session, race: Race) -> list[Standing]:
    """The overall ranking of a race over its final rounds, as ``scoring.over_rounds`` says; empty for "none"."""
    if race.rules.scoring.over_rounds == "none":
        return []
    moment = clock.now(session)
    final = _final_rounds(session, rounds := rounds_of(session, race.id), moment)
    over = [one for one in rounds if one.id in final]
    return overall_standings(race.rules, standings_of(session, race, over, moment)) if over else []


def overall_standings(rules: RaceRules, by_round: Iterable[RoundStandings]) -> list[Standing]:
    """The overall ranking from those of the rounds, in order, of every team that was in one of them.

    Provisional rounds do not count. A round that a team was not in counts as one without a total.
    """
    how = rules.scoring.over_rounds
    over = [{row.team.number: row for row in one.rows} for one in by_round if one.is_final]
    if how == "none":
        return []
    rows = {}
    for number, newest in {number: row for one in over for number, row in one.items()}.items():
        own = [one.get(number) for one in over]
        totals, last = [row.total if row else None for row in own], own[-1]
        utility, attack = (last.utility, last.attack) if last else (None, None)
        rows[number] = Standing(0, newest.team, utility, attack, combine_rounds(totals, how))
    return list(_ranked(rows))

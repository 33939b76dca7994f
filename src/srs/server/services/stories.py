"""The facts of a round for its story and its pictures, and what a defence may be compared with at this moment."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from srs.game.phases import Phase, phase_at
from srs.game.race import RaceRules
from srs.judging.meaning import OTHERS_MIN, ClassMedians, Costs, costs
from srs.server.services.round_story import Attacked, ClassGuessed, Defended, Placed, RoundFacts
from srs.server.services.standings import MatchResult, RoundStandings, Standing
from srs.server.store.engine import Session
from srs.server.store.races import Race
from srs.server.store.results import DefenceResult, defence_results, final_metrics
from srs.server.store.rounds import Round
from srs.server.store.submissions import Submission
from srs.server.store.teams import Team, teams_of_race

NameOf = Callable[[Team], str]
"""The name of a team as the reader may see it."""


def placed(rows: Iterable[Standing], name_of: NameOf) -> list[Placed]:
    """The ranking with the names that the reader may see."""
    return [Placed(name_of(row.team), row.rank, row.utility, row.attack or 0.0, row.total) for row in rows]


def round_facts(
    session: Session, rules: RaceRules, one: RoundStandings, name_of: NameOf, class_name: Callable[[int], str]
) -> RoundFacts:
    """Everything that the story of a round is told from. The round must be final: ``ValueError`` otherwise."""
    if not one.is_final:
        raise ValueError("the story of a round is told when it is over")
    results = [result for row in one.rows for result in row.matches]
    return RoundFacts(
        number=one.of_round.number,
        placed=placed(one.rows, name_of),
        defended=defended(rules, one, name_of),
        attacks=[_attacked(result, name_of) for result in results if result.auc is not None],
        matches=len(results),
        classes=_classes(session, results, class_name),
        noun=rules.classes.singular,
        guess=1.0 / rules.classes.count,
    )


def defended(rules: RaceRules, one: RoundStandings, name_of: NameOf) -> list[Defended]:
    """Each defence of a round with its price and the strongest attacks on it, by the number of its team."""
    against: dict[int, list[MatchResult]] = {}
    for row in one.rows:
        for result in row.matches:
            if result.auc is not None:
                against.setdefault(result.defender.id, []).append(result)
    found = []
    for row in one.rows:
        if row.utility is not None and row.metrics is not None:
            attacks = [_attacked(result, name_of) for result in against.get(row.team.id, ())]
            most = max((attack.accuracy for attack in attacks), default=None)
            strongest = sorted((one for one in attacks if one.accuracy == most), key=lambda one: -one.auc)
            price = costs(row.metrics, rules.undefended)
            name, number = name_of(row.team), row.team.number
            found.append(Defended(name, number, row.utility, price.bytes, len(attacks), strongest))
    return sorted(found, key=lambda one: one.number)


def _attacked(result: MatchResult, name_of: NameOf) -> Attacked:
    attacker, defender = name_of(result.attacker), name_of(result.defender)
    return Attacked(attacker, defender, result.accuracy or 0.0, result.auc or 0.0)


def _classes(session: Session, results: Iterable[MatchResult], class_name: Callable[[int], str]) -> list[ClassGuessed]:
    """How often each class was guessed right: the mean over the attacks in whose test sets it is."""
    by_class: dict[int, list[float]] = {}
    for metrics in final_metrics(session, [result.score_id for result in results if result.score_id is not None]):
        for number, accuracy in enumerate(metrics.get("accuracy_per_class", ()), start=1):
            if accuracy is not None:
                by_class.setdefault(number, []).append(accuracy)
    return [ClassGuessed(class_name(number), statistics.fmean(values)) for number, values in sorted(by_class.items())]


@dataclass(frozen=True)
class Comparison:
    """The median team to compare a defence with, if there is one, and a sentence on why it is this one, or none."""

    medians: ClassMedians | None
    note: str = ""


def comparison(session: Session, race: Race, rounds: Sequence[Round], sent: Submission, now: dt.datetime) -> Comparison:
    """What a defence may be compared with at this moment.

    That is its round, else the last round before it whose defences show: while a defence phase is open, or the draw is
    being made, the leaderboard hides what others do, and so does this; an upload a day would otherwise follow the
    class. A class has at least ``OTHERS_MIN`` other teams with an accepted defence.
    """
    shown = [one for one in rounds if one.number <= sent.round.number and _shows(one, now)]
    if not shown:
        return Comparison(
            None, "How the class compares is shown when the defence phase is over, not while others defend."
        )
    last = shown[-1]
    is_own = last.id == sent.round_id
    # Not who has members now: who leaves later stays in the class of a round, as in its ranking.
    playing = {one.id for one in teams_of_race(session, race.id) if one.excluded_at is None}
    results = [one for one in defence_results(session, [last]) if one.team_id in playing]
    if sum(one.team_id != sent.team_id for one in results) < OTHERS_MIN:
        return Comparison(
            None,
            f"Fewer than {OTHERS_MIN} other teams have an accepted defence in round {last.number}: a median would tell "
            "the numbers of one team, so none is shown.",
        )
    # A defence that does not count has no place: its team's is that of another file.
    own = next((one.utility for one in results if one.submission_id == sent.id), None)
    note = (
        f"Compared are the teams of round {last.number}: what others do now is shown when this defence phase is over."
    )
    return Comparison(_medians(results, race.rules, last.number, own), "" if is_own else note)


def _medians(results: Sequence[DefenceResult], rules: RaceRules, number: int, own: float | None) -> ClassMedians:
    prices = [costs(one.metrics, rules.undefended) for one in results]
    return ClassMedians(
        round_number=number,
        teams=len(results),
        costs=Costs(
            received=statistics.median(one.received for one in prices),
            sent=statistics.median(one.sent for one in prices),
            bytes=statistics.median(one.bytes for one in prices),
            duration=statistics.median(one.duration for one in prices),
        ),
        utility=statistics.median(one.utility for one in results),
        place=None if own is None else 1 + sum(one.utility > own for one in results),
    )


def _shows(one: Round, now: dt.datetime) -> bool:
    return phase_at(one.times(), now) in (Phase.ATTACK, Phase.CLOSED)

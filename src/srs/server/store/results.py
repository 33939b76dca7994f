"""What standings are made of, for several rounds at once: few columns, and no more queries for ten rounds than one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from srs.server.store.jobs import Job
from srs.server.store.matches import Match
from srs.server.store.rounds import Round
from srs.server.store.scores import AttackScore, DefenceScore, latest_defences, latest_ids
from srs.server.store.submissions import ATTACK, Submission
from srs.server.store.teams import Team


@dataclass(frozen=True, slots=True)
class DefenceResult:
    """The defence that counts for a team in a round."""

    round_id: int
    team_id: int
    submission_id: int
    utility: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AttackResult:
    """A match that is not void, with the attack that counts in it: ``public`` is ``None`` where there is none.

    ``auc`` and ``accuracy`` are those of the part kept back: for nobody before the round is final.
    """

    round_id: int
    match_id: int
    attacker_id: int
    defender_id: int
    score_id: int | None
    public: Mapping[str, float] | None
    auc: float | None
    accuracy: float | None


def defence_results(session: Session, rounds: Sequence[Round]) -> list[DefenceResult]:
    """The defences that count in these rounds, as ``scores.latest_defences`` chooses them."""
    drawn = [one.id for one in rounds if one.drawn_at is not None]
    sent = (Submission.round_id, Submission.team_id, Submission.id)
    query = select(*sent, DefenceScore.utility, DefenceScore.metrics)
    query = query.join(Submission, Submission.id == DefenceScore.submission_id)
    rows = session.execute(query.where(Submission.round_id.in_(drawn), DefenceScore.is_drawn))
    found = [DefenceResult(*row) for row in rows]
    for one in rounds:
        if one.drawn_at is None:
            for team_id, score in latest_defences(session, one).items():
                found.append(DefenceResult(one.id, team_id, score.submission_id, score.utility, score.metrics))
    return found


def attack_results(session: Session, rounds: Iterable[Round]) -> list[AttackResult]:
    """Every match of these rounds that is not void, by attacker and defender."""
    round_ids = [one.id for one in rounds]
    latest = latest_ids(AttackScore, AttackScore.match_id).join(Match, Match.id == AttackScore.match_id)
    ranked = latest.where(Match.round_id.in_(round_ids)).subquery()
    numbers = (AttackScore.id, AttackScore.public, AttackScore.auc, AttackScore.accuracy)
    counting = select(AttackScore.match_id, *numbers).join(ranked, ranked.c.id == AttackScore.id)
    scores = {row[0]: row[1:] for row in session.execute(counting.where(ranked.c.place == 1))}
    # Two queries: the planner of SQLite makes one of them, outer joined, five times as slow.
    matches = select(Match.round_id, Match.id, Match.attacker_id, Match.defender_id)
    matches = matches.where(Match.round_id.in_(round_ids), Match.void_at.is_(None))
    rows = session.execute(matches.order_by(Match.attacker_id, Match.defender_id))
    return [AttackResult(*row, *scores.get(row[1], (None, None, None, None))) for row in rows]


def attackers(session: Session, rounds: Iterable[Round]) -> dict[int, set[int]]:
    """Which teams were drawn to attack in each of these rounds; one whose matches have become void is among them."""
    query = select(Match.round_id, Match.attacker_id).distinct()
    found: dict[int, set[int]] = {}
    for round_id, team_id in session.execute(query.where(Match.round_id.in_([one.id for one in rounds]))):
        found.setdefault(round_id, set()).add(team_id)
    return found


def attack_states(session: Session, rounds: Iterable[Round]) -> dict[int, set[str]]:
    """In which states the attacks of each of these rounds are; those of excluded teams do not count."""
    query = select(Submission.round_id, Job.state).distinct().join(Submission, Submission.id == Job.submission_id)
    query = query.join(Team, Team.id == Job.team_id).where(Team.excluded_at.is_(None), Submission.kind == ATTACK)
    states: dict[int, set[str]] = {}
    for round_id, state in session.execute(query.where(Submission.round_id.in_([one.id for one in rounds]))):
        states.setdefault(round_id, set()).add(state)
    return states


def final_metrics(session: Session, score_ids: Iterable[int]) -> list[dict[str, Any]]:
    """Every metric of the part kept back, of several attacks: for nobody before the round is final."""
    return list(session.scalars(select(AttackScore.final).where(AttackScore.id.in_(score_ids))))

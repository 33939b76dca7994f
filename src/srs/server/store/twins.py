"""Defences that are the same captures as another team's, found by their numbers: one query for any number of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from srs.server.store.rounds import Round
from srs.server.store.scores import DefenceScore
from srs.server.store.submissions import Submission
from srs.server.store.teams import Team


@dataclass(frozen=True)
class Twin:
    """A defence of another team with the same captures: the first one that this team sent."""

    public_id: str
    team_number: int
    team_name: str
    round_number: int
    received_at: dt.datetime
    is_same_file: bool
    is_earlier: bool
    """Whether it came before the defence whose twin it is."""


def twins_of(session: Session, race_id: int, submission_ids: Sequence[int]) -> dict[int, list[Twin]]:
    """The twins of several accepted defences of a race, one for each other team: ``{submission_id: [...]}``.

    Twins have as many traces and packets, and every metric equal to the last digit, however the files are packed.
    """
    own, other = aliased(Submission), aliased(Submission)
    score, like = aliased(DefenceScore), aliased(DefenceScore)
    query = (
        select(own, score.metrics, other, like.metrics, Team, Round.number)
        .join(score, score.submission_id == own.id)
        .join(other, (other.race_id == own.race_id) & (other.team_id != own.team_id))
        .join(like, like.submission_id == other.id)
        .join(Team, Team.id == other.team_id)
        .join(Round, Round.id == other.round_id)
        .where(own.race_id == race_id, own.id.in_(submission_ids))
        .where(like.traces == score.traces, like.packets == score.packets, like.utility == score.utility)
        .order_by(other.received_at, other.id)
    )
    found: dict[int, dict[int, Twin]] = {}
    for mine, metrics, theirs, their_metrics, team, number in session.execute(query):
        if metrics == their_metrics:
            twin = Twin(
                public_id=theirs.public_id,
                team_number=team.number,
                team_name=team.name,
                round_number=number,
                received_at=theirs.received_at,
                is_same_file=theirs.sha256 == mine.sha256,
                is_earlier=(theirs.received_at, theirs.id) < (mine.received_at, mine.id),
            )
            found.setdefault(mine.id, {}).setdefault(team.number, twin)
    return {submission_id: list(by_team.values()) for submission_id, by_team in found.items()}

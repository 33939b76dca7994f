"""Defences that are the same captures as another team's, found by their numbers: one query for any number of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from srs.server.store.rounds import Round
from srs.server.store.scores import DefenceScore
from srs.server.store.submissions import Submission
from srs.server.store.teams import Team

NAMED_MAX = 3
"""So many twins of a defence are named, and the rest counted: an assignment that half a class copied names everybody
otherwise, once for each of them."""


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


@dataclass(frozen=True)
class Twins:
    """The twins of one defence, one for each other team."""

    named: list[Twin]
    """At most ``NAMED_MAX``: the same file before the same captures, and the earliest first."""
    more: int
    """How many there are besides."""


@dataclass(frozen=True)
class _Sent:
    """An accepted defence as it is compared."""

    submission_id: int
    public_id: str
    sha256: str
    received_at: dt.datetime
    team_number: int
    team_name: str
    round_number: int
    traces: int
    packets: int
    metrics: dict[str, float]

    @property
    def captures(self) -> tuple[object, ...]:
        """What is equal for the same captures only."""
        return self.traces, self.packets, *sorted(self.metrics.items())


def twins_of(session: Session, race_id: int, submission_ids: Sequence[int]) -> dict[int, Twins]:
    """The twins of several accepted defences of a race: ``{submission_id: twins}``, without those that have none.

    Twins have as many traces and packets, and every metric equal to the last digit, however the files are packed.
    """
    sent = [_Sent(*row) for row in session.execute(_alike(race_id))]
    groups: dict[tuple[object, ...], list[_Sent]] = {}
    for one in sent:
        groups.setdefault(one.captures, []).append(one)
    asked, found = set(submission_ids), {}
    for own in sent:
        if own.submission_id not in asked:
            continue
        firsts: dict[int, _Sent] = {}
        for other in groups[own.captures]:
            if other.team_number != own.team_number:
                firsts.setdefault(other.team_number, other)
        if firsts:
            ranked = sorted(firsts.values(), key=lambda other: other.sha256 != own.sha256)
            named = [_twin(own, other) for other in ranked[:NAMED_MAX]]
            found[own.submission_id] = Twins(named, len(ranked) - len(named))
    return found


def _alike(race_id: int) -> Select[Any]:
    """The accepted defences of a race that agree with another team's in all but the metrics, by arrival."""
    of_race = select(DefenceScore.traces, DefenceScore.packets, DefenceScore.utility)
    of_race = of_race.join(Submission, Submission.id == DefenceScore.submission_id)
    keys = of_race.where(Submission.race_id == race_id).group_by(*of_race.selected_columns)
    shared = keys.having(func.count(Submission.team_id.distinct()) > 1).subquery()
    same = [column == getattr(DefenceScore, column.key) for column in shared.c]
    query = select(
        Submission.id,
        Submission.public_id,
        Submission.sha256,
        Submission.received_at,
        Team.number,
        Team.name,
        Round.number,
        DefenceScore.traces,
        DefenceScore.packets,
        DefenceScore.metrics,
    )
    query = query.join(DefenceScore, DefenceScore.submission_id == Submission.id).join(shared, and_(*same))
    query = query.join(Team, Team.id == Submission.team_id).join(Round, Round.id == Submission.round_id)
    return query.where(Submission.race_id == race_id).order_by(Submission.received_at, Submission.id)


def _twin(own: _Sent, other: _Sent) -> Twin:
    return Twin(
        public_id=other.public_id,
        team_number=other.team_number,
        team_name=other.team_name,
        round_number=other.round_number,
        received_at=other.received_at,
        is_same_file=other.sha256 == own.sha256,
        is_earlier=(other.received_at, other.submission_id) < (own.received_at, own.submission_id),
    )

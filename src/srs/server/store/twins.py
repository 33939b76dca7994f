"""Defences that are the same captures as another team's, found by their numbers: two queries for any number of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

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
    """An accepted defence as it is compared; what makes two the same captures is ``captures``."""

    submission_id: int
    public_id: str
    team_id: int
    sha256: str
    received_at: dt.datetime
    captures: tuple[object, ...]

    @property
    def came(self) -> tuple[dt.datetime, int]:
        """Defences in the order of their arrival."""
        return self.received_at, self.submission_id


def twins_of(session: Session, race_id: int, submission_ids: Sequence[int]) -> dict[int, Twins]:
    """The twins of several accepted defences of a race: ``{submission_id: twins}``, without those that have none.

    Twins have as many traces and packets, and every metric equal to the last digit, however the files are packed.
    """
    asked = [_sent(row) for row in session.execute(_defences().where(Submission.id.in_(submission_ids)))]
    groups: dict[tuple[object, ...], list[_Sent]] = {}
    sources: dict[int, tuple[int, str, int]] = {}
    for row in session.execute(_alike(race_id, submission_ids)):
        sent = _sent(row)
        groups.setdefault(sent.captures, []).append(sent)
        sources[sent.submission_id] = (row.team_number, row.team_name, row.round_number)
    found = {}
    for own in asked:
        firsts: dict[int, _Sent] = {}
        for other in groups.get(own.captures, ()):
            if other.team_id != own.team_id:
                firsts.setdefault(other.team_id, other)
        if firsts:
            ranked = sorted(firsts.values(), key=lambda other: other.sha256 != own.sha256)
            named = [_twin(own, other, *sources[other.submission_id]) for other in ranked[:NAMED_MAX]]
            found[own.submission_id] = Twins(named, len(ranked) - len(named))
    return found


def _defences() -> Select[Any]:
    of_submission = (Submission.id, Submission.public_id, Submission.team_id, Submission.sha256, Submission.received_at)
    of_score = (DefenceScore.traces, DefenceScore.packets, DefenceScore.utility, DefenceScore.metrics)
    query = select(*of_submission, *of_score).join(DefenceScore, DefenceScore.submission_id == Submission.id)
    return query.order_by(Submission.received_at, Submission.id)


def _alike(race_id: int, submission_ids: Sequence[int]) -> Select[Any]:
    """The defences of the race that may be a twin of one of these, by arrival, each with its team and round."""
    own, score = aliased(Submission), aliased(DefenceScore)
    has_twin = (
        select(score.id)
        .join(own, own.id == score.submission_id)
        .where(own.race_id == race_id, own.id.in_(submission_ids), own.team_id != Submission.team_id)
        .where(score.traces == DefenceScore.traces, score.packets == DefenceScore.packets)
        .where(score.utility == DefenceScore.utility)
        .exists()
    )
    query = _defences().where(Submission.race_id == race_id, has_twin)
    query = query.join(Team, Team.id == Submission.team_id).join(Round, Round.id == Submission.round_id)
    return query.add_columns(
        Team.number.label("team_number"), Team.name.label("team_name"), Round.number.label("round_number")
    )


def _sent(row: Any) -> _Sent:
    captures = (row.traces, row.packets, row.utility, *sorted(row.metrics.items()))
    return _Sent(row.id, row.public_id, row.team_id, row.sha256, row.received_at, captures)


def _twin(own: _Sent, other: _Sent, team_number: int, team_name: str, round_number: int) -> Twin:
    return Twin(
        public_id=other.public_id,
        team_number=team_number,
        team_name=team_name,
        round_number=round_number,
        received_at=other.received_at,
        is_same_file=other.sha256 == own.sha256,
        is_earlier=other.came < own.came,
    )

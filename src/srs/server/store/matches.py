"""Matches: who attacks whose defence in a round, and the files of each."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.server.store.base import Base
from srs.server.store.rounds import Round
from srs.server.store.submissions import Submission
from srs.server.store.teams import Team


class Match(Base):
    """Attacker, defender, round; frozen to the defence that was drawn."""

    __tablename__ = "match"
    __table_args__ = (UniqueConstraint("round_id", "attacker_id", "defender_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"), index=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    attacker_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    defender_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    defence_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    order_seed: Mapped[bytes] = mapped_column(LargeBinary)
    """Secret: the order of this match's test set, and which of it is public."""
    first_capture: Mapped[int]
    """Running number of its first test trace in the race."""
    files: Mapped[dict[str, Any] | None]
    """``{name: {"sha256", "size_bytes"}}`` of what its attacker downloads; empty until prepared."""
    labels_sha256: Mapped[str | None]
    """The sealed labels (a blob)."""
    void_at: Mapped[dt.datetime | None]
    round: Mapped[Round] = relationship()
    attacker: Mapped[Team] = relationship(foreign_keys=[attacker_id])
    defender: Mapped[Team] = relationship(foreign_keys=[defender_id])
    defence: Mapped[Submission] = relationship()


def _matches() -> Any:
    return select(Match).options(joinedload(Match.attacker), joinedload(Match.defender), joinedload(Match.round))


def matches_of_round(session: Session, round_id: int) -> list[Match]:
    """Every match of a round, void ones too, by attacker and defender."""
    query = _matches().where(Match.round_id == round_id).order_by(Match.attacker_id, Match.defender_id)
    return list(session.scalars(query))


def has_unprepared(session: Session, round_id: int) -> bool:
    """Whether a match of the round that is not void still waits for its files."""
    query = select(Match.id).where(Match.round_id == round_id, Match.void_at.is_(None), Match.labels_sha256.is_(None))
    return session.scalar(query.limit(1)) is not None


def matches_of_attacker(session: Session, round_id: int, team_id: int) -> list[Match]:
    """The matches in which a team attacks, void ones too, by the number of the defender."""
    query = _matches().where(Match.round_id == round_id, Match.attacker_id == team_id)
    return sorted(session.scalars(query), key=lambda match: match.defender.number)


def matches_of_race(session: Session, race_id: int) -> list[Match]:
    """Every match of a race so far."""
    return list(session.scalars(_matches().where(Match.race_id == race_id).order_by(Match.id)))


def matches_involving(session: Session, team_id: int) -> list[Match]:
    """The matches in which a team attacks or is attacked."""
    query = _matches().where((Match.attacker_id == team_id) | (Match.defender_id == team_id))
    return list(session.scalars(query.order_by(Match.id)))

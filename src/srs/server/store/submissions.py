"""Submissions: what was received, from whom, when."""

from __future__ import annotations

import datetime as dt
from typing import Final

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.errors import NotFound
from srs.server.store.accounts import User
from srs.server.store.base import Base
from srs.server.store.jobs import Job
from srs.server.store.rounds import Round
from srs.server.store.teams import Team

DEFENCE: Final = "defence"
ATTACK: Final = "attack"


class Submission(Base):
    """Immutable: the bytes (a blob), the team and person, the moment. Its judgement is its ``Job``."""

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("team_id", "kind", "idempotency_key"),
        Index("ix_submission_team_kind", "team_id", "kind", "received_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True)
    """Random, for addresses: cannot be guessed from another one."""
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"), index=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"), index=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(20))
    file_name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[dt.datetime]
    idempotency_key: Mapped[str] = mapped_column(String(64))
    round: Mapped[Round] = relationship()
    team: Mapped[Team] = relationship()
    user: Mapped[User] = relationship()
    job: Mapped[Job] = relationship(back_populates="submission", uselist=False)


def submission_by_public_id(session: Session, race_id: int, public_id: str) -> Submission:
    """One submission of a race; ``NotFound`` otherwise."""
    query = select(Submission).where(Submission.race_id == race_id, Submission.public_id == public_id)
    found = session.scalar(query.options(joinedload(Submission.job)))
    if found is None:
        raise NotFound("submission.unknown", "There is no such submission.")
    return found


def submission_by_key(session: Session, team_id: int, kind: str, idempotency_key: str) -> Submission | None:
    """The submission that an idempotency key has already made."""
    return session.scalar(
        select(Submission).where(
            Submission.team_id == team_id,
            Submission.kind == kind,
            Submission.idempotency_key == idempotency_key,
        )
    )


def submissions_of_team(
    session: Session, team_id: int, kind: str | None = None, limit: int | None = None
) -> list[Submission]:
    """What a team has sent, newest first, each with its job; of one kind, and the newest ones only, where asked."""
    query = select(Submission).where(Submission.team_id == team_id).options(joinedload(Submission.job))
    if kind is not None:
        query = query.where(Submission.kind == kind)
    return list(session.scalars(query.order_by(Submission.received_at.desc(), Submission.id.desc()).limit(limit)))


def submissions_of_race(session: Session, race_id: int) -> list[Submission]:
    """Everything that a race has received, newest first."""
    query = select(Submission).where(Submission.race_id == race_id)
    query = query.options(joinedload(Submission.job), joinedload(Submission.team), joinedload(Submission.round))
    return list(session.scalars(query.order_by(Submission.received_at.desc(), Submission.id.desc())))


def states_of_round(session: Session, round_id: int, kind: str) -> dict[str, set[int]]:
    """In which states a round's evaluations of a kind are, and of which teams: ``{state: {team_id, ...}}``.

    Excluded teams do not count.
    """
    query = select(Job.state, Submission.team_id).distinct().join(Submission, Submission.id == Job.submission_id)
    query = query.join(Team, Team.id == Submission.team_id).where(Team.excluded_at.is_(None))
    states: dict[str, set[int]] = {}
    for state, team_id in session.execute(query.where(Submission.round_id == round_id, Submission.kind == kind)):
        states.setdefault(state, set()).add(team_id)
    return states

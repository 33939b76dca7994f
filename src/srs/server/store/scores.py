"""Scores: numbers with the version that computed them. One row per job, or per job and match."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.server.store.base import Base
from srs.server.store.jobs import ACCEPTED, Job
from srs.server.store.matches import Match
from srs.server.store.rounds import Round
from srs.server.store.submissions import DEFENCE, Submission


class DefenceScore(Base):
    """The numbers of an accepted defence, and the files made of it."""

    __tablename__ = "defence_score"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), unique=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), unique=True)
    version: Mapped[str] = mapped_column(String(40))
    utility: Mapped[float]
    implausible: Mapped[bool]
    traces: Mapped[int]
    packets: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    signals: Mapped[list[Any]]
    """What staff should look at; never shown to teams."""
    files: Mapped[dict[str, Any]]
    """``{name: {"sha256", "size_bytes"}}`` of the training set."""
    pool_sha256: Mapped[str] = mapped_column(String(64))
    """The sealed pool of test traces (a blob)."""
    published_sha256: Mapped[str] = mapped_column(String(64))
    """Hashes of the training traces (a blob), for later rounds."""
    submission: Mapped[Submission] = relationship()


class AttackScore(Base):
    """The numbers of an accepted attack in one match."""

    __tablename__ = "attack_score"
    __table_args__ = (UniqueConstraint("job_id", "match_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    match_id: Mapped[int] = mapped_column(ForeignKey("match.id"), index=True)
    version: Mapped[str] = mapped_column(String(40))
    public: Mapped[dict[str, Any]]
    """``auc`` and ``accuracy`` of the public part, unrounded; pages show two decimals."""
    final: Mapped[dict[str, Any]]
    """Every metric of the part kept back (of all, when nothing is); for nobody before the close."""
    submission: Mapped[Submission] = relationship()
    match: Mapped[Match] = relationship()


def defence_score_of(session: Session, submission_id: int) -> DefenceScore | None:
    """The numbers of one defence."""
    return session.scalar(select(DefenceScore).where(DefenceScore.submission_id == submission_id))


def attack_scores_of(session: Session, submission_id: int) -> list[AttackScore]:
    """The numbers of one attack, one row a match."""
    query = select(AttackScore).where(AttackScore.submission_id == submission_id)
    return list(session.scalars(query.options(joinedload(AttackScore.match)).order_by(AttackScore.match_id)))


def latest_defences(session: Session, round_id: int) -> dict[int, DefenceScore]:
    """For each team its accepted defence received last in a round: ``{team_id: score}``."""
    query = (
        select(DefenceScore)
        .join(Submission, Submission.id == DefenceScore.submission_id)
        .join(Job, Job.id == DefenceScore.job_id)
        .where(Submission.round_id == round_id, Submission.kind == DEFENCE, Job.state == ACCEPTED)
        .order_by(Submission.received_at, Submission.id)
        .options(joinedload(DefenceScore.submission))
    )
    return {score.submission.team_id: score for score in session.scalars(query)}


def latest_attacks(session: Session, round_id: int) -> dict[int, AttackScore]:
    """For each match of a round the accepted attack received last: ``{match_id: score}``."""
    query = (
        select(AttackScore)
        .join(Submission, Submission.id == AttackScore.submission_id)
        .join(Match, Match.id == AttackScore.match_id)
        .join(Job, Job.id == AttackScore.job_id)
        .where(Match.round_id == round_id, Job.state == ACCEPTED)
        .order_by(Submission.received_at, Submission.id)
        .options(joinedload(AttackScore.submission))
    )
    return {score.match_id: score for score in session.scalars(query)}


def published_before(session: Session, race_id: int, round_number: int) -> list[str]:
    """The blobs of hashes of all training traces that were published in earlier rounds of a race."""
    query = (
        select(DefenceScore.published_sha256)
        .join(Match, Match.defence_id == DefenceScore.submission_id)
        .join(Round, Round.id == Match.round_id)
        .where(Match.race_id == race_id, Round.number < round_number)
        .distinct()
        .order_by(DefenceScore.published_sha256)
    )
    return list(session.scalars(query))

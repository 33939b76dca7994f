"""Scores: numbers with the version that computed them. One row per job, or per job and match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ForeignKey, Select, String, UniqueConstraint, func, select
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.server.store.base import Base
from srs.server.store.jobs import ACCEPTED, Job
from srs.server.store.matches import Match
from srs.server.store.rounds import Round
from srs.server.store.submissions import Submission


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
    profile_sha256: Mapped[str | None] = mapped_column(String(64))
    """What its pictures are drawn from (a blob; ``srs.judging.profile``)."""
    is_drawn: Mapped[bool] = mapped_column(default=False)
    """Whether this is the defence with which its team went into the draw of its round."""
    submission: Mapped[Submission] = relationship()


def _of_final(name: str) -> Callable[[DefaultExecutionContext], float]:
    """A default: a number of the same row's ``final``."""

    def value(context: DefaultExecutionContext) -> float:
        number: float = context.get_current_parameters()["final"][name]  # type: ignore[no-untyped-call]
        return number

    return value


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
    auc: Mapped[float] = mapped_column(default=_of_final("auc"))
    accuracy: Mapped[float] = mapped_column(default=_of_final("accuracy"))
    """Those of ``final``, so that standings need not read the rest of it."""
    curves_sha256: Mapped[str | None] = mapped_column(String(64))
    """What its pictures are drawn from (a blob; ``srs.judging.curves``); as secret as ``final``."""
    submission: Mapped[Submission] = relationship()
    match: Mapped[Match] = relationship()


def defence_score_of(session: Session, submission_id: int) -> DefenceScore | None:
    """The numbers of one defence."""
    return session.scalar(select(DefenceScore).where(DefenceScore.submission_id == submission_id))


def defence_before(session: Session, submission: Submission) -> DefenceScore | None:
    """The numbers of the accepted defence that the same team sent last before this one, in whichever round."""
    query = (
        select(DefenceScore)
        .join(Submission, Submission.id == DefenceScore.submission_id)
        .where(Submission.team_id == submission.team_id, Submission.received_at < submission.received_at)
        .order_by(Submission.received_at.desc(), Submission.id.desc())
        .limit(1)
    )
    return session.scalar(query)


def attack_scores_of(session: Session, submission_id: int) -> list[AttackScore]:
    """The numbers of one attack, one row a match."""
    query = select(AttackScore).where(AttackScore.submission_id == submission_id)
    return list(session.scalars(query.options(joinedload(AttackScore.match)).order_by(AttackScore.match_id)))


def latest_defences(session: Session, of_round: Round) -> dict[int, DefenceScore]:
    """For each team the defence that counts in a round: ``{team_id: score}``.

    Before the draw it is the accepted one received last; afterwards the one that was drawn, whatever is accepted later.
    """
    if of_round.drawn_at is not None:
        query = select(DefenceScore).join(Submission, Submission.id == DefenceScore.submission_id)
        query = query.where(Submission.round_id == of_round.id, DefenceScore.is_drawn)
    else:
        latest = latest_ids(DefenceScore, Submission.team_id).where(Submission.round_id == of_round.id).subquery()
        query = select(DefenceScore).join(latest, latest.c.id == DefenceScore.id).where(latest.c.place == 1)
    scores = session.scalars(query.options(joinedload(DefenceScore.submission)))
    return {score.submission.team_id: score for score in scores}


def latest_attacks(session: Session, round_id: int, attacker_id: int | None = None) -> dict[int, AttackScore]:
    """For each match of a round (or each of one attacker) the accepted attack received last: ``{match_id: score}``."""
    latest = latest_ids(AttackScore, AttackScore.match_id).join(Match, Match.id == AttackScore.match_id)
    latest = latest.where(Match.round_id == round_id)
    if attacker_id is not None:
        latest = latest.where(Match.attacker_id == attacker_id)
    ranked = latest.subquery()
    query = select(AttackScore).join(ranked, ranked.c.id == AttackScore.id).where(ranked.c.place == 1)
    return {score.match_id: score for score in session.scalars(query.options(joinedload(AttackScore.submission)))}


def latest_ids(score: type[DefenceScore | AttackScore], of: Any) -> Select[tuple[int, int]]:
    """Ids of accepted scores with their ``place`` among those of the same ``of``, 1 for the one received last."""
    newest_first = (Submission.received_at.desc(), Submission.id.desc())
    place = func.row_number().over(partition_by=of, order_by=newest_first).label("place")
    query = select(score.id.label("id"), place).join(Submission, Submission.id == score.submission_id)
    return query.join(Job, Job.id == score.job_id).where(Job.state == ACCEPTED)


def published_before(session: Session, race_id: int, round_number: int) -> list[str]:
    """The blobs of hashes of all training traces that were published in earlier rounds of a race."""
    query = (
        select(DefenceScore.published_sha256)
        .join(Submission, Submission.id == DefenceScore.submission_id)
        .join(Round, Round.id == Submission.round_id)
        .where(Submission.race_id == race_id, DefenceScore.is_drawn, Round.number < round_number)
        .order_by(DefenceScore.published_sha256)
    )
    return list(session.scalars(query))


def defence_scores_of(session: Session, submission_ids: Sequence[int]) -> dict[int, DefenceScore]:
    """The numbers of several defences: ``{submission_id: score}``."""
    query = select(DefenceScore).where(DefenceScore.submission_id.in_(submission_ids))
    return {score.submission_id: score for score in session.scalars(query)}

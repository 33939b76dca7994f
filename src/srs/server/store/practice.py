"""The practice match of each race, and what teams reached in it: nothing here counts anywhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ForeignKey, String, exists, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from srs.server.store.base import Base
from srs.server.store.jobs import ACCEPTED, HOUSE, PENDING, PRACTICE, REJECTED, Job
from srs.server.store.races import Race
from srs.server.store.submissions import Submission

FILES_KEPT = 20
"""Of so many practice attacks a team the files and the curves are kept, the newest: they have no quota, and the disk
has an end.
"""


class Practice(Base):
    """What the house has made for a race: a defence to attack, and examples of the files to send."""

    __tablename__ = "practice"
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"), unique=True)
    version: Mapped[str] = mapped_column(String(40))
    files: Mapped[dict[str, Any]]
    """``{name: {"sha256", "size_bytes", "captures"}}`` of what everybody in the race may download; the last tells
    captures anew that were packed or ordered in another way (absent in older rows, empty where there are none)."""
    labels_sha256: Mapped[str] = mapped_column(String(64))
    """The sealed labels (a blob)."""
    utility: Mapped[float]
    """Of the house's defence."""
    baseline: Mapped[dict[str, Any]]
    """Every metric of the house's own attack, the example to download."""
    made_at: Mapped[dt.datetime]


class PracticeScore(Base):
    """The numbers of an accepted practice attack: every metric, at once."""

    __tablename__ = "practice_score"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), unique=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), unique=True)
    version: Mapped[str] = mapped_column(String(40))
    metrics: Mapped[dict[str, Any]]
    curves_sha256: Mapped[str | None] = mapped_column(String(64))
    """What its charts are drawn from (a blob, kept for the newest)."""


def practice_of(session: Session, race_id: int) -> Practice | None:
    """The practice match of a race; ``None`` while it is being made."""
    return session.scalar(select(Practice).where(Practice.race_id == race_id))


def house_job_of(session: Session, race_id: int) -> Job | None:
    """The job that makes, or has made, the practice match of a race."""
    return session.scalar(select(Job).where(Job.race_id == race_id, Job.kind == HOUSE))


def races_without_house(session: Session) -> list[int]:
    """Ids of the races whose practice match nobody has begun to make."""
    is_begun = exists().where(Job.race_id == Race.id, Job.kind == HOUSE)
    return list(session.scalars(select(Race.id).where(~is_begun).order_by(Race.id)))


def waiting_practice(session: Session, team_id: int) -> Submission | None:
    """The practice attack of a team that has no verdict yet."""
    query = select(Submission).join(Job, Job.submission_id == Submission.id)
    is_waiting = (Submission.team_id == team_id, Submission.kind == PRACTICE, Job.state.in_(PENDING))
    return session.scalar(query.where(*is_waiting).limit(1))


def rejected_practice(session: Session, team_id: int, since: dt.datetime) -> int:
    """How many practice attacks of a team that were received since then have been rejected."""
    query = select(func.count()).select_from(Submission).join(Job, Job.submission_id == Submission.id)
    is_rejected = (Submission.team_id == team_id, Submission.kind == PRACTICE, Job.state == REJECTED)
    return session.scalar(query.where(*is_rejected, Submission.received_at >= since)) or 0


def kept_practice_blobs(session: Session) -> set[str | None]:
    """The SHA-256 of file and curves of each team's newest practice attacks, and of those that have no verdict yet."""
    place = func.row_number().over(partition_by=Submission.team_id, order_by=Submission.id.desc())
    sent = (
        select(Submission.sha256, PracticeScore.curves_sha256, Job.state, place.label("place"))
        .join(Job, Job.submission_id == Submission.id)
        .outerjoin(PracticeScore, PracticeScore.submission_id == Submission.id)
        .where(Submission.kind == PRACTICE)
        .subquery()
    )
    is_judged = sent.c.state.in_((ACCEPTED, REJECTED))
    kept = select(sent.c.sha256, sent.c.curves_sha256).where(or_(sent.c.place <= FILES_KEPT, ~is_judged))
    return {sha256 for row in session.execute(kept) for sha256 in row}


def practice_scores_of(session: Session, submission_ids: Sequence[int]) -> dict[int, PracticeScore]:
    """The numbers of several practice attacks: ``{submission_id: score}``."""
    query = select(PracticeScore).where(PracticeScore.submission_id.in_(submission_ids))
    return {score.submission_id: score for score in session.scalars(query)}

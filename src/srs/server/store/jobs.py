"""Jobs: the row is the job. An evaluation of a submission, or the preparation of a match's (or of the house's) files.

``queued -> running -> accepted | rejected``, back to ``queued`` when a lease ends, ``parked`` after too many
crashes. A claim and a finish each change exactly one row or none, so any number of workers and sweepers may try.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CursorResult, ForeignKey, Index, String, Text, Update, and_, case, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, aliased, joinedload, mapped_column, relationship

from srs.server.store.base import Base

if TYPE_CHECKING:
    from srs.server.store.matches import Match
    from srs.server.store.submissions import Submission

QUEUED, RUNNING, ACCEPTED, REJECTED, PARKED = "queued", "running", "accepted", "rejected", "parked"
PENDING = (QUEUED, RUNNING)
BUNDLE: Final = "bundle"
PRACTICE: Final = "practice"
HOUSE: Final = "house"


class Job(Base):
    """One piece of work. Its subject is a submission (``defence``, ``attack``, ``practice``), a match (``bundle``) or
    the race itself, whose practice match is made (``house``); the last is no team's.
    """

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_state_lease", "state", "lease_until"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submission.id"), unique=True)
    match_id: Mapped[int | None] = mapped_column(ForeignKey("match.id"), unique=True)
    state: Mapped[str] = mapped_column(String(20), default=QUEUED)
    attempt: Mapped[int] = mapped_column(default=0)
    """How often it was claimed; the fence of a finish."""
    crashes: Mapped[int] = mapped_column(default=0)
    """Claims since the last retry that ended without a result."""
    lease_until: Mapped[dt.datetime | None]
    worker: Mapped[str] = mapped_column(String(120), default="")
    queued_at: Mapped[dt.datetime]
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    report: Mapped[dict[str, Any] | None]
    """The ``Report`` of a judgement, for the team."""
    step: Mapped[str] = mapped_column(String(20), default="")
    """How far the running attempt is: a ``srs.judging.steps.Step``, or empty before the first."""
    trouble: Mapped[str] = mapped_column(Text, default="")
    """What went wrong on our side, for staff."""
    submission: Mapped[Submission | None] = relationship(back_populates="job")
    match: Mapped[Match | None] = relationship()


def claimable(now: dt.datetime) -> Any:
    """The condition under which a job may be claimed: queued, or running past its lease.

    A queued job that has just crashed has a ``lease_until``, too: not before then.
    """
    return and_(Job.state.in_(PENDING), or_(Job.lease_until.is_(None), Job.lease_until < now))


def changes_one(session: Session, statement: Update) -> bool:
    """Do a compare-and-set; whether its condition still held."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return isinstance(result, CursorResult) and result.rowcount == 1


def _class(job: type[Job]) -> Any:
    """What counts is done first, then practice, then what is made once for a whole race."""
    return case((job.kind == PRACTICE, 1), (job.kind == HOUSE, 2), else_=0)


def fairest(session: Session, now: dt.datetime, crashes_max: int) -> int | None:
    """The job whose turn it is: every team's first waiting job before any team's second.

    A team's running jobs count before its waiting ones, so that a team with many uploads does not hold the
    workers while another waits for its first. Practice waits for all that counts, and takes nobody's turn.
    """
    running = aliased(Job)
    is_alike = and_(running.team_id == Job.team_id, _class(running) == _class(Job))
    is_running = and_(is_alike, running.state == RUNNING, running.lease_until >= now)
    busy = select(func.count()).where(is_running).correlate(Job).scalar_subquery()
    turn = func.row_number().over(partition_by=(Job.team_id, _class(Job)), order_by=Job.id) + busy
    may_run = and_(claimable(now), Job.crashes < crashes_max)
    waiting = select(Job.id.label("id"), turn.label("turn"), _class(Job).label("class")).where(may_run).subquery()
    in_order = (waiting.c["class"], waiting.c.turn, waiting.c.id)
    return session.scalar(select(waiting.c.id).order_by(*in_order).limit(1))


def claim(
    session: Session, job_id: int, worker: str, now: dt.datetime, lease_until: dt.datetime, crashes_max: int
) -> Job | None:
    """Make a job mine, if nobody has it; ``None`` when somebody else was first."""
    taken = (
        update(Job)
        .where(Job.id == job_id, claimable(now), Job.crashes < crashes_max)
        .values(
            state=RUNNING,
            attempt=Job.attempt + 1,
            crashes=Job.crashes + 1,
            lease_until=lease_until,
            worker=worker,
            started_at=now,
            step="",
        )
    )
    return session.get_one(Job, job_id, populate_existing=True) if changes_one(session, taken) else None


def finish(session: Session, job_id: int, attempt: int, values: dict[str, Any]) -> bool:
    """Write the end of my attempt; ``False`` (and nothing changed) when the job is no longer mine."""
    change = (
        update(Job)
        .where(Job.id == job_id, Job.attempt == attempt, Job.state == RUNNING)
        .values(**{"lease_until": None, **values})
    )
    return changes_one(session, change)


def report_step(session: Session, job_id: int, attempt: int, step: str) -> bool:
    """Say how far my attempt is; ``False`` when the job is no longer mine."""
    mine = (Job.id == job_id, Job.attempt == attempt, Job.state == RUNNING)
    return changes_one(session, update(Job).where(*mine).values(step=step))


def extend(session: Session, job_id: int, attempt: int, lease_until: dt.datetime) -> bool:
    """Move the end of my lease; ``False`` when the job is no longer mine."""
    change = (
        update(Job)
        .where(Job.id == job_id, Job.attempt == attempt, Job.state == RUNNING)
        .values(lease_until=lease_until)
    )
    return changes_one(session, change)


def due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    """Ids of the jobs that wait for a worker, oldest first."""
    return session.scalars(select(Job.id).where(claimable(now)).order_by(Job.id).limit(limit)).all()


def exhausted(session: Session, now: dt.datetime, crashes_max: int) -> Sequence[Job]:
    """Jobs that crashed as often as is allowed, locked; they are to be parked."""
    query = select(Job).where(claimable(now), Job.crashes >= crashes_max)
    return session.scalars(query.order_by(Job.id).with_for_update(skip_locked=True)).all()


def waiting_before(session: Session, job: Job) -> int:
    """How many queued jobs were there before this one, and those that are done before its kind anyway."""
    kind = select(_class(Job)).where(Job.id == job.id).scalar_subquery()
    is_before = or_(_class(Job) < kind, and_(_class(Job) == kind, Job.id < job.id))
    return session.scalar(select(func.count()).where(Job.state == QUEUED, is_before)) or 0


def parked_jobs(session: Session, race_id: int) -> list[Job]:
    """The jobs of a race that wait for staff, oldest first, each with its submission."""
    query = select(Job).where(Job.race_id == race_id, Job.state == PARKED).options(joinedload(Job.submission))
    return list(session.scalars(query.order_by(Job.id)))

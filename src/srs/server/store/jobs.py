"""Jobs: the row is the job. An evaluation of a submission, or the preparation of a match's (or of the house's) files.

``queued -> running -> accepted | rejected``, back to ``queued`` when a lease ends, ``parked`` after too many
crashes. A claim and a finish each change exactly one row or none, so any number of workers and sweepers may try.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    CursorResult,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    Update,
    and_,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.server.store.base import Base

if TYPE_CHECKING:
    from srs.server.store.matches import Match
    from srs.server.store.submissions import Submission

QUEUED, RUNNING, ACCEPTED, REJECTED, PARKED = "queued", "running", "accepted", "rejected", "parked"
PENDING = (QUEUED, RUNNING)
BUNDLE: Final = "bundle"
PRACTICE: Final = "practice"
HOUSE: Final = "house"

SET_BACK: Final = dt.timedelta(minutes=1)
"""A start that lies further ahead than this was written before the clock was set back, and says nothing of turns."""


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


def _queue(now: dt.datetime, crashes_max: int) -> Select[Any]:
    """Who waits, in the order in which each is given a turn: (class, team, its first waiting job, how many wait).

    What counts is before practice, and practice before the house. Within a class it is the turn of the team whose
    last one is the longest ago; of one that had none first of all.
    """
    may_run = and_(claimable(now), Job.crashes < crashes_max)
    kind, first, waiting = _class(Job).label("class"), func.min(Job.id).filter(may_run), func.count().filter(may_run)
    last_turn = func.max(Job.started_at).filter(Job.started_at < now + SET_BACK)
    teams = select(kind, Job.team_id, first.label("first"), waiting.label("waiting")).group_by("class", Job.team_id)
    teams = teams.where(Job.race_id.in_(select(Job.race_id).where(may_run))).having(waiting > 0)
    return teams.order_by("class", last_turn.asc().nulls_first(), "first")


def fairest(session: Session, now: dt.datetime, crashes_max: int) -> int | None:
    """The job whose turn it is: every team's first waiting job before any team's second, after each claim anew.

    So a team with many uploads, however many of them run, is given one turn for each turn of another that waits.
    Practice waits for all that counts, and takes nobody's turn.
    """
    found = session.execute(_queue(now, crashes_max).limit(1)).first()
    return found.first if found else None


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


def take_back_a_crash(session: Session, job_id: int, attempt: int) -> None:
    """Count one crash less: an attempt that lost the job to a later one has not crashed."""
    is_later = (Job.id == job_id, Job.attempt > attempt, Job.crashes > 0, Job.state.in_(PENDING))
    changes_one(session, update(Job).where(*is_later).values(crashes=Job.crashes - 1))


def is_held(session: Session, job_id: int, attempt: int) -> bool:
    """Whether an attempt still holds its job."""
    is_mine = (Job.id == job_id, Job.attempt == attempt, Job.state == RUNNING)
    return session.scalar(select(Job.id).where(*is_mine)) is not None


def due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    """Ids of the jobs that wait for a worker, oldest first."""
    return session.scalars(select(Job.id).where(claimable(now)).order_by(Job.id).limit(limit)).all()


def exhausted(session: Session, now: dt.datetime, crashes_max: int) -> Sequence[Job]:
    """Jobs that crashed as often as is allowed, locked; they are to be parked."""
    query = select(Job).where(claimable(now), Job.crashes >= crashes_max)
    return session.scalars(query.order_by(Job.id).with_for_update(skip_locked=True)).all()


def waiting_before(session: Session, job: Job, now: dt.datetime, crashes_max: int) -> int:
    """How many jobs are claimed before this one, which waits, unless something else is sent."""
    mine = session.scalars(select(_class(Job)).where(Job.id == job.id)).one()
    is_earlier = and_(claimable(now), Job.crashes < crashes_max, Job.id < job.id)
    of_mine = and_(Job.team_id == job.team_id, _class(Job) == mine)
    own = session.scalar(select(func.count()).where(is_earlier, of_mine)) or 0
    before, is_ahead = own, True
    for kind, team_id, _first, waiting in session.execute(_queue(now, crashes_max)):
        if (kind, team_id) == (mine, job.team_id):
            is_ahead = False
        elif kind < mine:
            before += waiting
        elif kind == mine:
            before += min(waiting, own + is_ahead)
    return before


def parked_jobs(session: Session, race_id: int) -> list[Job]:
    """The jobs of a race that wait for staff, oldest first, each with its submission."""
    query = select(Job).where(Job.race_id == race_id, Job.state == PARKED).options(joinedload(Job.submission))
    return list(session.scalars(query.order_by(Job.id)))

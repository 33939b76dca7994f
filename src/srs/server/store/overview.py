"""What the staff's home of a race shows of all its teams: one statement each, however many teams there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session, contains_eager, defer, joinedload

from srs.server.store.accounts import User
from srs.server.store.engine import database_now
from srs.server.store.events import Event
from srs.server.store.jobs import ACCEPTED, QUEUED, RUNNING, Job
from srs.server.store.matches import Match
from srs.server.store.rounds import Round
from srs.server.store.scores import AttackScore, DefenceScore, latest_ids
from srs.server.store.submissions import Submission
from srs.server.store.teams import Membership, Team

LOOKED_AT = "signals.looked-at"
"""The action of the audit log by which staff say that the signals of a defence need nobody any more."""


@dataclass(frozen=True)
class Member:
    """Somebody in a team, and when they last signed in."""

    name: str
    email: str
    signed_in_at: dt.datetime | None


def plain_teams(session: Session, race_id: int) -> list[Team]:
    """Every team of a race by number, excluded ones too; without the people in it."""
    return list(session.scalars(select(Team).where(Team.race_id == race_id).order_by(Team.number)))


def members_of_teams(session: Session, race_id: int) -> dict[int, list[Member]]:
    """The people of every team: ``{team_id: [member, ...]}``, in the order of joining."""
    query = select(Membership.team_id, User.name, User.email, User.signed_in_at).join(User)
    members: dict[int, list[Member]] = {}
    rows = session.execute(query.where(Membership.race_id == race_id).order_by(Membership.id))
    for team_id, name, email, signed_in_at in rows:
        members.setdefault(team_id, []).append(Member(name, email, signed_in_at))
    return members


def last_uploads(session: Session, race_id: int) -> dict[int, dt.datetime]:
    """When each team sent its last file: ``{team_id: received_at}``."""
    query = select(Submission.team_id, func.max(Submission.received_at)).where(Submission.race_id == race_id)
    return {row.team_id: row[1] for row in session.execute(query.group_by(Submission.team_id))}


def attacked_matches(session: Session, round_id: int) -> dict[int, tuple[int, int]]:
    """How many of its matches of a round each team has attacked: ``{team_id: (attacked, matches)}``; no void ones."""
    accepted = select(AttackScore.match_id).join(Match, Match.id == AttackScore.match_id)
    accepted = accepted.join(Job, Job.id == AttackScore.job_id)
    attacked = accepted.where(Match.round_id == round_id, Job.state == ACCEPTED).distinct().subquery()
    query = select(Match.attacker_id, func.count(attacked.c.match_id), func.count(Match.id))
    query = query.outerjoin(attacked, attacked.c.match_id == Match.id).where(Match.void_at.is_(None))
    query = query.where(Match.round_id == round_id).group_by(Match.attacker_id)
    return {team_id: (done, of) for team_id, done, of in session.execute(query)}


@dataclass(frozen=True)
class Queue:
    """The jobs of a race that are not done, by the database's clock."""

    waiting: int
    oldest_at: dt.datetime | None
    running: int
    taken_at: dt.datetime | None
    """When a worker last took a job of this race."""


def queue_of_race(session: Session, race_id: int) -> Queue:
    """How many jobs of a race wait or run, and since when; one whose worker has let its lease run out waits."""
    is_running = and_(Job.state == RUNNING, Job.lease_until >= database_now(session))
    waits = and_(Job.state.in_((QUEUED, RUNNING)), not_(is_running))
    counts = select(
        func.count().filter(waits),
        func.min(Job.queued_at).filter(waits),
        func.count().filter(is_running),
        func.max(Job.started_at),
    )
    waiting, oldest_at, running, taken_at = session.execute(counts.where(Job.race_id == race_id)).one()
    return Queue(waiting, oldest_at, running, taken_at)


def looked_at(session: Session, race_id: int) -> dict[str, int]:
    """Of which defences staff have looked at the signals, and how many there were then: ``{public_id: signals}``."""
    query = select(Event.subject, Event.detail).where(Event.race_id == race_id, Event.action == LOOKED_AT)
    rows = session.execute(query.order_by(Event.id))
    return {subject.removeprefix("submission "): detail["signals"] for subject, detail in rows}


def counting_defences(session: Session, race_id: int) -> list[DefenceScore]:
    """The defences that count, of every round and every team, excluded ones too; the latest round first.

    What counts is what ``scores.latest_defences`` says of one round.
    """
    latest = latest_ids(DefenceScore, (Submission.round_id, Submission.team_id))
    ranked = latest.where(Submission.race_id == race_id).subquery()
    query = select(DefenceScore).join(ranked, ranked.c.id == DefenceScore.id)
    query = query.join(Submission, Submission.id == DefenceScore.submission_id)
    query = query.join(Round, Round.id == Submission.round_id).join(Team, Team.id == Submission.team_id)
    counts = or_(DefenceScore.is_drawn, and_(Round.drawn_at.is_(None), ranked.c.place == 1))
    query = query.where(counts).order_by(Round.number.desc(), Team.number)
    path = contains_eager(DefenceScore.submission)
    query = query.options(path, path.contains_eager(Submission.team), path.contains_eager(Submission.round))
    return list(session.scalars(query.options(defer(DefenceScore.metrics), defer(DefenceScore.files))))


def unready_bundles(session: Session, round_id: int) -> int:
    """How many matches of a round that are not void still wait for their files."""
    query = select(func.count()).where(Match.round_id == round_id, Match.void_at.is_(None))
    return session.scalar(query.where(Match.labels_sha256.is_(None))) or 0


def received(session: Session, race_id: int, team_id: int | None, first: int, most: int) -> Sequence[Submission]:
    """What a race (or one of its teams) has received, newest first: ``most`` of it, after the ``first`` ones."""
    query = select(Submission).where(*_sent(race_id, team_id))
    query = query.options(joinedload(Submission.job), joinedload(Submission.team), joinedload(Submission.round))
    newest_first = query.order_by(Submission.received_at.desc(), Submission.id.desc())
    return session.scalars(newest_first.offset(first).limit(most)).all()


def count_received(session: Session, race_id: int, team_id: int | None) -> int:
    """How many files a race (or one of its teams) has received."""
    return session.scalar(select(func.count(Submission.id)).where(*_sent(race_id, team_id))) or 0


def _sent(race_id: int, team_id: int | None) -> list[ColumnElement[bool]]:
    return [Submission.race_id == race_id, *([] if team_id is None else [Submission.team_id == team_id])]


def names_of(session: Session, user_ids: Sequence[int]) -> dict[int, str]:
    """What people are called: ``{user_id: name}``."""
    rows = session.execute(select(User.id, User.name).where(User.id.in_(user_ids)))
    return {user_id: name for user_id, name in rows}  # noqa: C416  (a row is no tuple to the type checker)


def jobs_named(session: Session, race_id: int, job_ids: Sequence[int]) -> list[tuple[int, str, int | None]]:
    """Of some jobs of a race: ``[(job_id, kind, team_id), ...]``."""
    query = select(Job.id, Job.kind, Job.team_id).where(Job.race_id == race_id, Job.id.in_(job_ids))
    return [(job_id, kind, team_id) for job_id, kind, team_id in session.execute(query)]

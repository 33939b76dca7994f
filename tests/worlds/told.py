"""What people were told, and verdicts that are told as a worker's are, in the small race."""

from __future__ import annotations

from sqlalchemy import select

from srs.server.services import jobs
from srs.server.services.access import Person
from srs.server.store.engine import Session, Store
from srs.server.store.jobs import ACCEPTED, Job
from srs.server.store.notices import Notice, notices_of
from srs.server.store.outbox import OutboxMail
from srs.server.store.scores import DefenceScore
from srs.traces.report import Problem, Report
from worlds.small_race import SmallRace


def told(store: Store, person: Person, kind: str | None = None) -> list[Notice]:
    """What a person was told, oldest first."""
    with store.read() as session:
        found = notices_of(session, person.user_id, 100)
    return [notice for notice in reversed(found) if kind in (None, notice.kind)]


def mailed(store: Store, person: Person) -> list[OutboxMail]:
    """The echoes in a person's mail, oldest first."""
    with store.read() as session:
        query = select(OutboxMail).where(OutboxMail.recipient == person.email, OutboxMail.notice_path.is_not(None))
        return list(session.scalars(query.order_by(OutboxMail.id)))


def judge(race: SmallRace, person: Person, state: str, *problems: Problem, name: str = "file.csv") -> str:
    """Send a defence and give it a verdict as a worker does; its public id."""
    public_id = race.send(person, "defence", f"{person.name}{name}".encode(), f"key-{person.name}-{len(name)}", name)
    claim = jobs.claim_next(race.store, "w", 60.0)
    assert claim is not None

    def write(session: Session, job: Job) -> None:
        if state == ACCEPTED and job.submission:
            session.add(score_of(job.id, job.submission.id))

    assert jobs.finish(race.store, claim, state, Report(problems=problems).to_json(), write)
    return public_id


def score_of(job_id: int, submission_id: int) -> DefenceScore:
    return DefenceScore(
        job_id=job_id,
        submission_id=submission_id,
        version="test",
        utility=7.25,
        implausible=False,
        traces=1,
        packets=1,
        metrics={},
        signals=[],
        files={},
        pool_sha256="1" * 64,
        published_sha256="2" * 64,
    )

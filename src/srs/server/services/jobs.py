"""The life of a job: claim, lease, fenced finish, sweep, park, retry.

A result counts only if its attempt still holds the job when it is written; otherwise it is thrown away and the
audit log says so. What a finish writes (scores, files, states) it writes in that one transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from srs.errors import InputError, NotFound, StateError
from srs.game.access import Action
from srs.server.bell import Bell
from srs.server.services import news
from srs.server.services.access import Person, require
from srs.server.services.wording import storable
from srs.server.store import clock, events, jobs
from srs.server.store.base import HELD
from srs.server.store.blobs import Blob
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import Job
from srs.server.store.races import Race, race_by_slug
from srs.traces.report import Problem, Report, visible

TROUBLE_MAX_CHARACTERS = 4000
REASON_MAX_CHARACTERS = 500
REJECTED_BY_STAFF = "file.rejected-by-staff"
OTHERS_FIRST_S = 4.0
"""Until a job is tried again that storage or database has failed."""
SWEPT_AT_ONCE = 64
"""Rings of one sweep: more would only pile up in the broker, and the next sweep is seconds away."""


@dataclass(frozen=True)
class Claim:
    """A job that is mine until my lease ends; ``attempt`` is the fence of everything I write."""

    job_id: int
    kind: str
    attempt: int


def claim_next(store: Store, worker: str, lease_s: float, crashes_max: int = 5) -> Claim | None:
    """Take the job whose turn it is; ``None`` when none waits. Never gives one job to two workers.

    A job that has crashed ``crashes_max`` times is left for the sweep to park.
    """
    while True:
        with store.work() as session:
            moment = database_now(session)
            job_id = jobs.fairest(session, moment, crashes_max)
            if job_id is None:
                return None
            job = jobs.claim(session, job_id, worker, moment, moment + dt.timedelta(seconds=lease_s), crashes_max)
            if job is not None:
                return Claim(job.id, job.kind, job.attempt)


def extend_lease(store: Store, claim: Claim, lease_s: float) -> bool:
    """Keep the job for ``lease_s`` more seconds; ``False`` when it is no longer mine."""
    with store.work() as session:
        lease_until = database_now(session) + dt.timedelta(seconds=lease_s)
        return jobs.extend(session, claim.job_id, claim.attempt, lease_until)


def report_step(store: Store, claim: Claim, step: str) -> None:
    """Let whoever waits see how far my attempt is; nothing happens when it is no longer mine."""
    with store.work() as session:
        jobs.report_step(session, claim.job_id, claim.attempt, step)


def finish(
    store: Store,
    claim: Claim,
    state: str,
    report: dict[str, Any] | None,
    write: Callable[[Session, Job], None],
    blobs: Iterable[Blob] = (),
) -> bool:
    """Write the end of my attempt and, by ``write``, all that follows from it; ``False`` if I came too late.

    ``blobs`` are those that it names. Raises ``Unavailable`` where one was swept meanwhile.
    """
    with store.work() as session:
        moment = database_now(session)
        values = {"state": state, "report": report, "finished_at": moment}
        if not jobs.finish(session, claim.job_id, claim.attempt, values):
            _log(session, "job.late", claim.job_id, detail={"attempt": claim.attempt, "state": state})
            return False
        store.blobs.require(blobs)
        job = session.get_one(Job, claim.job_id, populate_existing=True)
        write(session, job)
        news.about_verdict(session, job)
        return True


def is_under_way(store: Store, job_id: int, attempt: int) -> bool:
    """Whether an attempt still holds its job; once it does not, it never will again."""
    with store.read() as session:
        return jobs.is_held(session, job_id, attempt)


def give_back(store: Store, claim: Claim, trouble: str, *, crashed: bool = True) -> None:
    """End my attempt without a result, for another one to try.

    A crash is counted, and the next try waits a little longer each time. A worker that stops in good order has not
    crashed.
    """
    with store.work() as session:
        job = session.get_one(Job, claim.job_id)
        values: dict[str, Any] = {"state": jobs.QUEUED, "trouble": storable(trouble)[-TROUBLE_MAX_CHARACTERS:]}
        if crashed:
            values["lease_until"] = database_now(session) + dt.timedelta(seconds=2.0 ** min(job.crashes, 6) / 4)
        else:
            values["crashes"] = job.crashes - 1
        if not jobs.finish(session, claim.job_id, claim.attempt, values):
            _log(session, "job.late", claim.job_id, detail={"attempt": claim.attempt, "state": "given back"})


def give_back_for_trouble_of_ours(store: Store, claim: Claim) -> None:
    """The same where storage or database failed me: nobody's crash, even where it lasted longer than my lease.

    Other jobs have their turn before this one is tried again, for the trouble may be with its files alone.
    """
    with store.work() as session:
        lease_until = database_now(session) + dt.timedelta(seconds=OTHERS_FIRST_S)
        crashes = session.get_one(Job, claim.job_id).crashes - 1
        values = {"state": jobs.QUEUED, "crashes": crashes, "lease_until": lease_until}
        if not jobs.finish(session, claim.job_id, claim.attempt, values):
            jobs.take_back_a_crash(session, claim.job_id, claim.attempt)
            _log(session, "job.late", claim.job_id, detail={"attempt": claim.attempt, "state": "given back"})


def sweep(store: Store, bell: Bell, crashes_max: int) -> list[int]:
    """Find every job that waits, whatever the broker remembers: park what crashed too often, ring for the rest."""
    with store.work() as session:
        moment = database_now(session)
        parked = jobs.exhausted(session, moment, crashes_max)
        for job in parked:
            job.state, job.lease_until = jobs.PARKED, None
            detail = {"crashes": job.crashes, "trouble": job.trouble[-500:]}
            _log(session, "job.parked", job.id, race_id=job.race_id, detail=detail)
        news.about_parked(session, parked)
        waiting = list(jobs.due(session, moment, SWEPT_AT_ONCE))
    if waiting:
        bell.ring_again(waiting)
    return waiting


def retry(store: Store, bell: Bell, person: Person, slug: str, job_id: int) -> None:
    """Queue a parked job once more, or one whose file staff rejected by hand."""
    with store.work() as session:
        race, job = _stuck(session, person, slug, job_id, Action.RETRY_JOB)
        if job.state != jobs.PARKED and not is_rejected_by_staff(job):
            raise StateError("job.not-parked", f"This job is {job.state}; only a parked one can be tried again.")
        job.state, job.crashes, job.lease_until = jobs.QUEUED, 0, None
        job.report, job.finished_at = None, None
        job.queued_at = database_now(session)
        _log(session, "job.retried", job.id, race_id=race.id, user_id=person.user_id or None)
    bell.ring([job_id])


def reject(store: Store, person: Person, slug: str, job_id: int, reason: str) -> None:
    """Reject a parked file by hand, so that nothing waits for it; its team is told why. ``retry`` undoes it."""
    reason = storable(reason.strip())[:REASON_MAX_CHARACTERS]
    with store.work() as session:
        race, job = _stuck(session, person, slug, job_id, Action.REJECT_FILE)
        if job.state != jobs.PARKED:
            raise StateError("job.not-parked", f"This job is {job.state}; only a parked file can be rejected by hand.")
        if job.submission is None:
            raise StateError("job.no-file", "This job is no team's file; it can only be tried again.")
        if not reason:
            raise InputError("job.rejection-reason", "Say why: the team is told, and it is kept in the audit log.")
        report = Report(problems=(Problem(REJECTED_BY_STAFF, f"The staff rejected this file: {visible(reason)}"),))
        job.state, job.report, job.finished_at = jobs.REJECTED, report.to_json(), database_now(session)
        news.about_verdict(session, job)
        _log(session, "job.rejected", job.id, race_id=race.id, user_id=person.user_id or None, reason=reason)


def is_rejected_by_staff(job: Job) -> bool:
    """Whether staff rejected the file of this job by hand."""
    problems = (job.report or {}).get("problems", [])
    return job.state == jobs.REJECTED and [problem["code"] for problem in problems] == [REJECTED_BY_STAFF]


def _stuck(session: Session, person: Person, slug: str, job_id: int, action: Action) -> tuple[Race, Job]:
    race = race_by_slug(session, slug)
    require(session, person, race, action)
    job = session.get(Job, job_id, with_for_update=HELD)
    if job is None or job.race_id != race.id:
        raise NotFound("job.unknown", "There is no such job in this race.")
    return race, job


def _log(
    session: Session,
    action: str,
    job_id: int,
    *,
    race_id: int | None = None,
    user_id: int | None = None,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    race_id = race_id or session.get_one(Job, job_id).race_id
    at = clock.now(session)
    events.log(session, action, f"job {job_id}", at, race_id=race_id, user_id=user_id, reason=reason, detail=detail)

"""The life of a job: fair claims, leases, fenced finishes, parking, retry."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from srs.errors import AccessDenied, NotFound, StateError, Unavailable
from srs.server.bell import SilentBell
from srs.server.config import Config
from srs.server.services import jobs
from srs.server.services.jobs import Claim
from srs.server.store import engine
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.events import events_of_race
from srs.server.store.jobs import ACCEPTED, PARKED, QUEUED, RUNNING, Job
from worlds.small_race import SLUG, SmallRace, populate

LEASE_S = 60.0


class CountingBell(SilentBell):
    def __init__(self) -> None:
        self.rung: list[int] = []

    def ring(self, job_ids) -> None:  # type: ignore[no-untyped-def]
        self.rung.extend(job_ids)

    ring_again = ring


def send(race: SmallRace, count: int, person: str = "ada") -> None:
    for index in range(count):
        race.send(getattr(race, person), "defence", f"{person}{index}".encode(), f"key-{person}-{index:04}")


def claim(race: SmallRace, worker: str = "w") -> Claim:
    found = jobs.claim_next(race.store, worker, LEASE_S)
    assert found is not None
    return found


def row(race: SmallRace, job_id: int) -> Job:
    with race.store.read() as session:
        return session.get_one(Job, job_id)


def expire(race: SmallRace, job_id: int) -> None:
    with race.store.work() as session:
        session.get_one(Job, job_id).lease_until = database_now(session) - dt.timedelta(seconds=1)


def test_trouble_of_ours_counts_for_nothing_however_long_it_lasted(race: SmallRace) -> None:
    """Who cannot give a job back before another has it takes back its own crash all the same, and once."""
    send(race, 1)
    mine = claim(race, "mine")
    expire(race, mine.job_id)
    claim(race, "other")
    assert row(race, mine.job_id).crashes == 2
    jobs.give_back_for_trouble_of_ours(race.store, mine)
    job = row(race, mine.job_id)
    assert (job.state, job.attempt, job.crashes, job.worker) == (RUNNING, 2, 1, "other")


def test_other_jobs_come_before_one_that_met_trouble_of_ours(race: SmallRace) -> None:
    send(race, 2)
    mine = claim(race)
    jobs.give_back_for_trouble_of_ours(race.store, mine)
    job = row(race, mine.job_id)
    assert (job.state, job.crashes, job.trouble) == (QUEUED, 0, "")
    assert claim(race).job_id != mine.job_id


LIMIT = "idle_in_transaction_session_timeout"


def limit(session: Session) -> str:
    """How long PostgreSQL lets this transaction say nothing."""
    return str(session.scalar(text(f"SHOW {LIMIT}")))


def hold_while_another_claims(race: SmallRace, job_id: int) -> None:
    with race.store.work() as session:
        session.get_one(Job, job_id, with_for_update=True)
        assert limit(session) == f"{engine.IDLE_IN_TRANSACTION_S}s"
        session.execute(text(f"SET LOCAL {LIMIT} = '50ms'"))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(claim, race, "awake").result()
        session.get_one(Job, job_id, populate_existing=True)


def write_nothing(session: Session, job: Job) -> None:
    pass


def test_a_sleeper_inside_a_transaction_holds_no_job(postgres_config: Config) -> None:
    """A worker put to sleep while it extends its lease: PostgreSQL ends its transaction, another judges the job."""
    store = Store(postgres_config)
    race = SmallRace(store, populate(store))
    send(race, 1)
    asleep = claim(race, "asleep")
    expire(race, asleep.job_id)
    with pytest.raises(Unavailable):
        hold_while_another_claims(race, asleep.job_id)
    assert row(race, asleep.job_id).worker == "awake"
    store.close()


def test_a_reader_may_take_its_time(postgres_config: Config) -> None:
    """An upload on a slow line reads who sends it first, a backup reads while files are copied: neither is ended."""
    store = Store(postgres_config)
    with store.read() as session:
        session.get(Job, 1)
        assert limit(session) == "0"
    store.close()


def test_a_claim_is_given_once(race: SmallRace) -> None:
    """R7's core: however many workers wake up for one job, one gets it."""
    send(race, 1)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda index: jobs.claim_next(race.store, f"w{index}", LEASE_S), range(8)))
    assert sum(found is not None for found in claims) == 1


def test_every_teams_first_job_comes_before_any_teams_second(race: SmallRace) -> None:
    send(race, 3, "ada")
    send(race, 1, "cleo")
    order = [row(race, claim(race).job_id).team_id for _ in range(4)]
    ada, cleo = order[0], order[1]
    assert ada != cleo
    assert order == [ada, cleo, ada, ada]


def test_a_finish_is_fenced(race: SmallRace) -> None:
    """R8's core: a worker that slept past its lease finishes nothing, and the audit log says so."""
    send(race, 1)
    slow = claim(race)
    expire(race, slow.job_id)
    quick = claim(race)
    assert quick.job_id == slow.job_id
    assert not jobs.extend_lease(race.store, slow, LEASE_S)
    assert not jobs.finish(race.store, slow, ACCEPTED, None, write_nothing)
    assert jobs.extend_lease(race.store, quick, LEASE_S)
    assert jobs.finish(race.store, quick, ACCEPTED, None, write_nothing)
    assert not jobs.finish(race.store, quick, ACCEPTED, None, write_nothing)
    with race.store.read() as session:
        late = [event for event in events_of_race(session, race.race(session).id) if event.action == "job.late"]
    assert len(late) == 2


def test_a_finish_writes_all_or_nothing(race: SmallRace) -> None:
    send(race, 1)
    mine = claim(race)

    def fail(session: Session, job: Job) -> None:
        job.trouble = "half written"
        session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jobs.finish(race.store, mine, ACCEPTED, None, fail)
    assert row(race, mine.job_id).state == RUNNING
    assert row(race, mine.job_id).trouble == ""


def test_a_job_that_crashes_too_often_is_parked_and_can_be_retried(race: SmallRace) -> None:
    send(race, 1)
    for _ in range(5):
        mine = claim(race)
        jobs.give_back(race.store, mine, "it \0exploded")
        assert jobs.claim_next(race.store, "w", LEASE_S) is None, "a crash is followed by a pause"
        expire(race, mine.job_id)
    assert jobs.claim_next(race.store, "w", LEASE_S) is None
    bell = CountingBell()
    assert jobs.sweep(race.store, bell, crashes_max=5) == []
    parked = row(race, mine.job_id)
    assert (parked.state, parked.trouble) == (PARKED, "it \ufffdexploded")

    with pytest.raises(AccessDenied):
        jobs.retry(race.store, bell, race.ada, SLUG, parked.id)
    with pytest.raises(NotFound):
        jobs.retry(race.store, bell, race.dana, SLUG, parked.id + 1)
    jobs.retry(race.store, bell, race.dana, SLUG, parked.id)
    assert bell.rung == [parked.id]
    assert row(race, parked.id).state == QUEUED
    with pytest.raises(StateError):
        jobs.retry(race.store, bell, race.dana, SLUG, parked.id)
    assert claim(race).job_id == parked.id


def test_a_silent_worker_is_swept_up(race: SmallRace) -> None:
    send(race, 1)
    lost = claim(race)
    bell = CountingBell()
    assert jobs.sweep(race.store, bell, crashes_max=5) == []
    expire(race, lost.job_id)
    assert jobs.sweep(race.store, bell, crashes_max=5) == [lost.job_id] == bell.rung
    assert claim(race).attempt == 2


def test_a_worker_that_stops_in_good_order_is_no_crash(race: SmallRace) -> None:
    send(race, 1)
    mine = claim(race)
    jobs.give_back(race.store, mine, "", crashed=False)
    assert (row(race, mine.job_id).state, row(race, mine.job_id).crashes) == (QUEUED, 0)
    jobs.give_back(race.store, mine, "again")
    assert row(race, mine.job_id).crashes == 0

"""R1, R2, R7, R8, R9: real PostgreSQL, Redis and workers, and what is done to them."""

from __future__ import annotations

import random
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import redis
from sqlalchemy import select

from faults.plant import (
    GENEROUS,
    all_jobs,
    audit_lines,
    in_state,
    lost_and_doubled,
    make_race,
    pending,
    send_many,
    small_defence,
    wait_for,
    workers_of,
)
from fixtures.forked import Forked
from fixtures.servers import free_port, run_redis
from fixtures.sizes import FULL, record, size
from srs.game.race import read_rules
from srs.judging.defence import check_defence
from srs.server.bell import QUEUE, TASK, CeleryBell, celery_app
from srs.server.config import Config
from srs.server.store.engine import Store
from srs.server.store.jobs import ACCEPTED, PARKED, RUNNING, Job
from srs.server.store.scores import DefenceScore
from worlds.small_race import SmallRace


@pytest.fixture
def broker(redis_server: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        yield client


@pytest.fixture
def site(postgres_config: Config, redis_server: str, broker: redis.Redis) -> Config:
    """An installation with a broker; leases are short, so that each check takes seconds."""
    return replace(postgres_config, broker_url=redis_server, lease_s=2.0, sweep_s=0.3 if FULL else 0.6)


@pytest.fixture
def world_name() -> str:
    """The race has rules of its own."""
    return "empty"


@pytest.fixture
def race(site: Config) -> Iterator[SmallRace]:
    store = Store(site)
    yield make_race(store)
    store.close()


def stale_scores(store: Store) -> list[int]:
    """Submissions whose score is not the one of their own file."""
    rules = read_rules(GENEROUS)
    with store.read() as session:
        rows = [
            (row.submission_id, row.utility, row.submission.sha256) for row in session.scalars(select(DefenceScore))
        ]
    return [
        submission
        for submission, utility, sha256 in rows
        if check_defence(store.blobs.path(sha256), "file.csv", rules).utility != utility
    ]


def test_r1_workers_are_killed_mid_evaluation(race: SmallRace, site: Config, tmp_path: Path) -> None:
    """R1: kill -9 a worker mid-evaluation, again and again: 0 lost, 0 scored twice, 0 stale scores."""
    submissions, kills = size(6, 400), size(2, 100)
    for_the_last = size(3, 20)
    dice = random.Random(1)
    send_many(race, submissions)
    # A job may meet any number of the kills, and leases that end on a busy machine; it is parked for none of them.
    with workers_of(replace(site, crashes_max=1000), tmp_path / "workers") as workers:
        alive = [workers.start(concurrency=2) for _ in range(2)]
        for number in range(kills):
            # The kills are spread over the whole work, and the last one still meets evaluations.
            due = (submissions - for_the_last) * number // kills
            wait_for(lambda n=due: in_state(race.store, ACCEPTED) >= n, 120, "work goes on")
            wait_for(lambda: in_state(race.store, RUNNING), 60, "somebody judges")
            time.sleep(dice.uniform(0.0, 0.5))
            workers.kill(alive[number % 2])
            alive[number % 2] = workers.start(concurrency=2)
        took_s = wait_for(lambda: not pending(race.store), 60, "all is judged")
    assert [(job.state, job.crashes, job.trouble) for job in all_jobs(race.store) if job.state != ACCEPTED] == []
    assert in_state(race.store, ACCEPTED) == submissions
    lost, doubled = lost_and_doubled(race.store, submissions)
    assert stale_scores(race.store) == []
    record("R1", submissions, lost, doubled, f"{kills} workers killed; done {took_s:.0f} s after the last")
    assert (lost, doubled) == (0, 0)
    assert sum(job.attempt for job in all_jobs(race.store)) > submissions, "no kill met an evaluation"


@pytest.mark.skipif(not FULL, reason="every day test_bell flushes the broker")
def test_r2_the_broker_forgets_everything(race: SmallRace, site: Config, broker: redis.Redis, tmp_path: Path) -> None:
    """R2: FLUSHALL with many queued and some running: all finish by themselves, first pick-up within 30 s."""
    queued, running = 200, 8
    with workers_of(site, tmp_path / "workers") as workers:
        workers.start(concurrency=running)
        send_many(race, queued + running)
        wait_for(lambda: in_state(race.store, RUNNING) >= running, 60, "work is under way")
        broker.flushall()
        started = max(job.attempt and job.id for job in all_jobs(race.store))
        picked_up_s = wait_for(
            lambda: max(job.attempt and job.id for job in all_jobs(race.store)) > started, 30, "first pick-up"
        )
        wait_for(lambda: not pending(race.store), 300, "all is judged")
    lost, doubled = lost_and_doubled(race.store, queued + running)
    record("R2", queued + running, lost, doubled, f"FLUSHALL; first pick-up after {picked_up_s:.1f} s")
    assert (lost, doubled) == (0, 0)


RINGS_HELD_MAX = 8
"""By a worker of two threads: Celery hands each up to four messages ahead."""


def test_r3_the_broker_goes_away_and_comes_back(postgres_config: Config, tmp_path: Path) -> None:
    """R3: uploads are received while it is away, and judged when it is back; the worker needs no restart.

    It goes while messages are acknowledged, of which a worker that is idle has many in a second.
    """
    port, uploads = free_port(), size(2, 50)
    sent = uploads
    config = replace(postgres_config, broker_url=f"redis://127.0.0.1:{port}/0", sweep_s=0.3)
    race = make_race(Store(config))
    with closing(race.store), closing(CeleryBell(config.broker_url)) as bell, workers_of(config, tmp_path) as workers:
        with run_redis(port):
            workers.start(concurrency=2)
            send_many(race, 2)
            wait_for(lambda: not pending(race.store), 60, "it judges")
            bell.ring(range(1000))
        began = time.monotonic()
        send_many(race, uploads, first=2)
        bell.ring(range(uploads))
        received_s = time.monotonic() - began
        time.sleep(size(2, 20))
        # Rings that the worker had got before may have found some of them; these rings come to an end.
        for _ in range(RINGS_HELD_MAX):
            missing = uploads - pending(race.store)
            send_many(race, missing, first=2 + sent)
            sent += missing
            time.sleep(2 if missing else 0)
        assert pending(race.store) == uploads
        with run_redis(port):
            took_s = wait_for(lambda: not pending(race.store), 60, "all is judged after its return")
        lost, doubled = lost_and_doubled(race.store, sent + 2)
    record("R3", sent, lost, doubled, f"received in {received_s:.1f} s, all judged {took_s:.0f} s after its return")
    assert (lost, doubled) == (0, 0)


def test_r7_one_message_many_times(race: SmallRace, site: Config, tmp_path: Path) -> None:
    """R7: the same message five times at once gives one score."""
    tries = size(2, 20)
    app = celery_app(site.broker_url)
    with workers_of(replace(site, sweep_s=600), tmp_path / "workers") as workers:
        workers.start_program(concurrency=5)
        for number in range(tries):
            send_many(race, 1, first=number)
            [job_id] = [job.id for job in all_jobs(race.store) if not job.attempt]
            for _ in range(5):
                app.send_task(TASK, (job_id,), queue=QUEUE)
            wait_for(lambda: not pending(race.store), 30, "it is judged")
    app.close()
    lost, doubled = lost_and_doubled(race.store, tries)
    record("R7", tries, lost, doubled, "each message five times")
    assert (lost, doubled) == (0, 0)
    assert [job.attempt for job in all_jobs(race.store)] == [1] * tries


def test_r8_a_worker_that_sleeps_past_its_lease(race: SmallRace, site: Config, tmp_path: Path) -> None:
    """R8: SIGSTOP past the lease, then SIGCONT: every late result is refused, and the audit log says so."""
    tries = size(1, 20)
    with workers_of(site, tmp_path / "workers") as workers:
        both = {worker.pid: worker for worker in (workers.start(), workers.start())}
        for number in range(tries):
            send_many(race, 1, first=number)
            wait_for(lambda: in_state(race.store, RUNNING), 60, "somebody judges")
            [job] = [job for job in all_jobs(race.store) if job.state == RUNNING]
            stopped = both[int(job.worker.split("/")[1])]
            stopped.send_signal(signal.SIGSTOP)
            wait_for(lambda: not pending(race.store), 30, "the other one judges it")
            before = audit_lines(race.store, "job.late")
            stopped.send_signal(signal.SIGCONT)
            wait_for(lambda n=before: audit_lines(race.store, "job.late") == n + 1, 20, "the late one is refused")
    lost, doubled = lost_and_doubled(race.store, tries)
    record("R8", tries, lost, doubled, f"late results, {audit_lines(race.store, 'job.late')} audit lines")
    assert (lost, doubled) == (0, 0)
    assert [job.attempt for job in all_jobs(race.store)] == [2] * tries
    assert audit_lines(race.store, "job.late") == tries


def test_r9_a_poisonous_file_is_parked(race: SmallRace, site: Config, tmp_path: Path) -> None:
    """R9: it is parked after 5 crashes, staff see why, and the good files hardly wait longer for it."""
    good = size(2, 99)
    with workers_of(site, tmp_path / "workers") as workers:
        workers.start(concurrency=2, marked=True)
        send_many(race, good)
        wait_for(lambda: not pending(race.store), size(60, 300), "the good ones alone")
        normal_s = percentile_95(all_jobs(race.store))
        race.send(race.ada, "defence", b"#kill\n" + small_defence(0), "the-poison")
        send_many(race, good, first=good)
        wait_for(lambda: not pending(race.store), size(60, 300), "the good ones with a poisonous one")
    jobs = all_jobs(race.store)
    [parked] = [job for job in jobs if job.state == PARKED]
    assert (parked.crashes, parked.attempt) == (5, 5)
    assert "SIGKILL" in parked.trouble
    assert audit_lines(race.store, "job.parked") == 1
    lost, doubled = lost_and_doubled(race.store, 2 * good)
    with_poison_s = percentile_95([job for job in jobs[good:] if job is not parked])
    record("R9", good + 1, lost, doubled, f"p95 {normal_s:.1f} s without poison, {with_poison_s:.1f} s with it")
    assert (lost, doubled) == (0, 0)
    if FULL:  # of a few files it says nothing
        assert with_poison_s <= 2 * normal_s + 1


def percentile_95(jobs: list[Job]) -> float:
    """Seconds from the upload to the verdict that 95 % of the jobs stay within."""
    waits = [(job.finished_at - job.queued_at).total_seconds() for job in jobs if job.finished_at]
    return statistics.quantiles(waits, n=20)[-1]


CRASHES_MAX = 3


@pytest.mark.skipif(not FULL, reason="every day a file kills its judging child")
def test_a_file_that_kills_its_worker_is_parked_too(race: SmallRace, site: Config, tmp_path: Path) -> None:
    """R9: nobody is left to count the crash, so it is counted at the claim."""
    race.send(race.ada, "defence", b"#kill-worker\n", "the-poison")
    with workers_of(replace(site, lease_s=1.0, crashes_max=CRASHES_MAX), tmp_path / "workers") as workers:
        worker = workers.start(marked=True)
        while not in_state(race.store, PARKED):
            if worker.poll() is not None:
                assert len(workers.running) < 8
                worker = workers.start(marked=True)
            time.sleep(0.1)
    [job] = all_jobs(race.store)
    assert job.crashes == CRASHES_MAX


@pytest.mark.skipif(not FULL, reason="every day test_run ends workers without a broker")
@pytest.mark.parametrize("seconds", [1, 600])
def test_r16_sigterm(race: SmallRace, site: Config, tmp_path: Path, seconds: int) -> None:
    """R16: no new claim, work finished or its lease returned, within 30 s, and it is not a crash."""
    for number in range(3):
        race.send(race.ada, "defence", b"#sleep %d\n" % seconds + small_defence(number), f"sleepy-{number}")
    with workers_of(replace(site, lease_s=10), tmp_path / "workers") as workers:
        worker = workers.start(marked=True)
        wait_for(lambda: in_state(race.store, RUNNING), 60, "it judges")
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        took_s = time.monotonic() - began
    first, *others = all_jobs(race.store)
    assert [job.attempt for job in others] == [0, 0]
    if seconds == 1:
        assert first.state != RUNNING
        assert first.finished_at is not None
    else:
        assert (first.state, first.crashes) == ("queued", 0)
    record("R16", 3, note=f"SIGTERM, ended after {took_s:.1f} s")


def test_workers_are_processes_of_their_own(site: Config, race: SmallRace, tmp_path: Path) -> None:
    """A killed worker takes its judging child with it."""
    race.send(race.ada, "defence", b"#sleep 600\n", "sleepy-child")
    with workers_of(site, tmp_path / "workers") as workers:
        worker = workers.start(marked=True)
        wait_for(lambda: in_state(race.store, RUNNING), 60, "it judges")
        wait_for(lambda: children(worker), 10, "its child is there")
        [child] = children(worker)
        workers.kill(worker)
        wait_for(lambda: is_gone(child), 5, "the child is gone")


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def children(worker: Forked) -> list[int]:
    return [child.pid for child in psutil.Process(worker.pid).children()]

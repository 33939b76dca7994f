"""A small installation under load: a race with teams that may send much, and real worker processes to kill."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from fixtures.databases import SECRET
from fixtures.forked import ASK_WHERE, Forked
from fixtures.servers import dies_with_us
from fixtures.sizes import FULL
from srs.server.bootstrap import open_server
from srs.server.cli import supervise
from srs.server.cli.main import main
from srs.server.config import Config, read_config
from srs.server.store.engine import Store
from srs.server.store.events import Event
from srs.server.store.jobs import HOUSE, PENDING, Job
from srs.server.store.scores import DefenceScore
from srs.server.worker import celery_worker
from worlds.small_race import SmallRace, populate, race_toml

GENEROUS = race_toml(tables="[limits]\ndefences_per_day = 1000\nattacks_per_day = 1000\nfaulty_per_day = 1000")
PATIENCE_S = 300.0
SESSIONS = (
    "SELECT pid, state, wait_event_type, wait_event, xact_start, query, pg_blocking_pids(pid) AS blocked_by "
    "FROM pg_stat_activity WHERE datname = current_database()"
)
JOBS = "SELECT id, kind, state, attempt, crashes, step, worker, lease_until, now() FROM job WHERE state <> 'accepted'"
MARKED_JUDGE = Path(__file__).with_name("marked_judge.py")


def small_defence(seed: int) -> bytes:
    """A defence that the small race accepts: 4 cells, 5 repetitions, some packets each; its own for each seed."""
    dice = random.Random(seed)
    lines = ["cell_id,rep,direction_size,timestamp"]
    for cell in range(1, 5):
        for rep in range(5):
            moment = 0.0
            for packet in range(8 + cell):
                size = dice.randint(60, 1500) * (1 if packet % 2 else -1)
                lines.append(f"{cell},{rep},{size},{moment:.6f}")
                moment += dice.uniform(0.001, 0.1)
    return "\n".join(lines).encode() + b"\n"


def make_race(store: Store) -> SmallRace:
    """The small race in its first defence phase, with room for a thousand uploads a day."""
    return SmallRace(store, populate(store, GENEROUS))


def send_many(race: SmallRace, count: int, first: int = 0) -> list[str]:
    """Upload defences, in turn from both teams; their public ids."""
    people = (race.ada, race.cleo)
    return [
        race.send(people[number % 2], "defence", small_defence(number), f"upload-{number:06}")
        for number in range(first, first + count)
    ]


def serve(concurrency: int) -> None:
    """``srs-server worker``."""
    main(["worker", "-c", str(concurrency)])


def serve_marked(concurrency: int) -> None:
    """The same with a judging child that obeys marks."""
    judge = (sys.executable, "-I", str(MARKED_JUDGE))
    sys.exit(celery_worker.serve(replace(open_server(read_config()), judge=judge), concurrency))


def serve_alone() -> None:
    """The worker of ``srs-server run`` without a broker."""
    logging.basicConfig(level=logging.INFO)
    _, told = multiprocessing.Pipe(duplex=False)
    supervise.work(read_config(), "1", supervise.Voice(told))


def environ_of(config: Config) -> dict[str, str]:
    """The environment of a program that serves an installation."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SRS_")},
        "SRS_DATA": str(config.data),
        "SRS_DATABASE_URL": config.database_url,
        "SRS_BROKER_URL": config.broker_url,
        "SRS_SECRET_KEY": SECRET,
        "SRS_LEASE_S": str(config.lease_s),
        "SRS_SWEEP_S": str(config.sweep_s),
        "SRS_CRASHES_MAX": str(config.crashes_max),
        "SRS_DISK_RESERVE_MB": str(config.disk_reserve_mb),
    }


class Workers:
    """Real workers of one installation, as processes."""

    def __init__(self, config: Config, folder: Path) -> None:
        self._folder = folder
        self._environ = environ_of(config)
        self.running: list[Forked | subprocess.Popen[bytes]] = []

    def start(self, concurrency: int = 1, *, marked: bool = False) -> Forked:
        """One more worker; a marked one obeys the marks that ``marked_judge.py`` knows."""
        work = serve_marked if marked else serve
        worker = Forked(work, concurrency, environ=self._environ, log=self._log())
        self.running.append(worker)
        return worker

    def start_program(self, concurrency: int) -> None:
        """One more worker, as an operator starts it."""
        command = dies_with_us([str(Path(sys.executable).with_name("srs-server")), "worker", "-c", str(concurrency)])
        with self._log().open("wb") as log:
            self.running.append(subprocess.Popen(command, env=self._environ, stdout=log, stderr=log))

    def start_alone(self) -> Forked:
        """One more worker that needs no broker."""
        worker = Forked(serve_alone, environ=self._environ, log=self._log())
        self.running.append(worker)
        return worker

    def said(self, words: str) -> int:
        """How often the workers have said something."""
        return sum(path.read_text().count(words) for path in self._folder.glob("worker-*.log"))

    def _log(self) -> Path:
        return self._folder / f"worker-{len(self.running)}.log"

    def kill(self, worker: Forked) -> None:
        """``kill -9``: no good-bye, no lease returned."""
        worker.kill()
        worker.wait()

    def end(self) -> None:
        """End every worker."""
        for worker in self.running:
            if worker.poll() is None:
                worker.kill()
        for worker in self.running:
            worker.wait()

    def logs(self) -> str:
        """What the workers said, and where their threads are now, for a failing test."""
        for worker in self.running:
            if isinstance(worker, Forked) and worker.poll() is None:
                worker.send_signal(ASK_WHERE)
                worker.send_signal(signal.SIGCONT)
        time.sleep(1)
        return "\n".join(f"{path}:\n{path.read_text()[-9000:]}" for path in sorted(self._folder.glob("worker-*.log")))


@contextmanager
def workers_of(config: Config, folder: Path) -> Iterator[Workers]:
    """Workers that are gone after the block."""
    folder.mkdir(parents=True, exist_ok=True)
    workers = Workers(config, folder)
    try:
        yield workers
    except BaseException:
        sys.stdout.write(f"{database_work(config)}\n{workers.logs()}\n")
        raise
    finally:
        workers.end()


def database_work(config: Config) -> str:
    """The sessions of a PostgreSQL database and what waits in its jobs, for a failing test."""
    if config.database_url.startswith("sqlite"):
        return ""
    with closing(Store(config)) as store, store.read() as session:
        tables = [session.execute(text(query)).mappings().all() for query in (SESSIONS, JOBS)]
    return "\n".join(str(dict(row)) for table in tables for row in table)


def wait_for(condition: Callable[[], object], within_s: float, what: str) -> float:
    """Wait until something holds; the seconds that it took.

    At full size it must hold ``within_s``, as is promised; every day, on a machine that has other work, in the end.
    """
    began, limit_s = time.monotonic(), within_s if FULL else max(within_s, PATIENCE_S)
    while not condition():
        if time.monotonic() - began > limit_s:
            pytest.fail(f"{what}: not within {limit_s} s")
        time.sleep(0.1)
    return time.monotonic() - began


OF_TEAMS = Job.kind != HOUSE
"""The house makes its practice match beside what these checks count."""


def pending(store: Store) -> int:
    """Jobs without an end."""
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.state.in_(PENDING), OF_TEAMS)) or 0


def in_state(store: Store, state: str) -> int:
    """Jobs in a state."""
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.state == state, OF_TEAMS)) or 0


def all_jobs(store: Store) -> list[Job]:
    """Every job, oldest first."""
    with store.read() as session:
        return list(session.scalars(select(Job).where(OF_TEAMS).order_by(Job.id)))


def audit_lines(store: Store, action: str) -> int:
    """Lines of the audit log with this action."""
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(Event).where(Event.action == action)) or 0


def lost_and_doubled(store: Store, expected: int) -> tuple[int, int]:
    """How many accepted submissions have no score, and how many scores are too many."""
    with store.read() as session:
        of_submissions = session.scalars(select(DefenceScore.submission_id)).all()
    return expected - len(set(of_submissions)), len(of_submissions) - len(set(of_submissions))


def scores(store: Store) -> dict[int, tuple[float, dict[str, float]]]:
    """Utility and metrics of every scored submission."""
    with store.read() as session:
        rows = session.scalars(select(DefenceScore))
        return {row.submission_id: (row.utility, row.metrics) for row in rows}

"""One turn of a worker: claim a job, judge it in the jail while its lease is kept, finish it."""

from __future__ import annotations

import logging
import signal
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from threading import Event, Thread, Timer
from typing import assert_never

from srs.errors import SrsError, Unavailable
from srs.judging.attack import AttackVerdict
from srs.judging.bundle import Bundle
from srs.judging.defence import Verdict
from srs.judging.ended import damaged
from srs.judging.steps import Step, announced
from srs.judging.task import BundleTask, HouseTask, Task
from srs.lab.house import House
from srs.server.bootstrap import Server
from srs.server.services.evaluations import (
    finish_attack,
    finish_bundle,
    finish_defence,
    finish_house,
    finish_practice,
    load_task,
    reject,
)
from srs.server.services.jobs import (
    Claim,
    claim_next,
    extend_lease,
    give_back,
    give_back_for_trouble_of_ours,
    report_step,
)
from srs.server.store.disk import told
from srs.server.store.engine import Store
from srs.server.store.jobs import PRACTICE
from srs.server.worker import jail, results
from srs.server.worker.folders import folder_of, require_good_storage, require_storage
from srs.server.worker.jail import Ending, Outcome
from srs.traces.report import Problem, Report

GRACE_S = 20.0
"""From the wish to end until an unfinished judgement is given back."""
IDLE_S = 0.25
"""Between two looks for work where no bell rings."""
LOOK_S = 0.2
"""Between two looks at the judgement that is going on."""
TROUBLE_S = 2.0
"""Before the next try where the database or the disk is away."""

_log = logging.getLogger(__name__)


class Shutdown:
    """The wish to end: first no new claim, then (``GRACE_S`` later) what is unfinished is given back."""

    def __init__(self) -> None:
        self.asked = Event()
        self.overdue = Event()

    def ask(self) -> None:
        """Wish to end. May be called from a signal handler, and again."""
        if not self.asked.is_set():
            self.asked.set()
            timer = Timer(GRACE_S, self.overdue.set)
            timer.daemon = True
            timer.start()

    def on_signals(self) -> None:
        """Let SIGTERM ask; the terminal's interrupt is for whoever started this process."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self.ask())
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def worker_name(part: str) -> str:
    """How this worker is called in the database."""
    return f"{socket.gethostname()[:60]}/{getpid()}/{part}"


def work_until(server: Server, name: str, shutdown: Shutdown) -> None:
    """Work off what waits, look again every ``IDLE_S``, until the shutdown is asked for."""
    while not shutdown.asked.is_set():
        try:
            if not work_once(server, name, shutdown):
                shutdown.asked.wait(IDLE_S)
        except SrsError as error:
            wait_out(error, shutdown)


def wait_out(trouble: SrsError, shutdown: Shutdown) -> None:
    """Say what keeps this worker from working, and let a moment pass."""
    _log.warning("no work for a moment: %s (%s)", trouble, trouble.__cause__)
    shutdown.asked.wait(TROUBLE_S)


def work_once(server: Server, name: str, shutdown: Shutdown) -> bool:
    """Claim and judge one job; ``False`` when none waits.

    Raises ``Unavailable`` without a database, and where the disk is in trouble or has less free than the reserve:
    then nothing is claimed.
    """
    if shutdown.asked.is_set():
        return False
    require_storage(server)
    claim = claim_next(server.store, name, server.config.lease_s, server.config.crashes_max)
    if claim is None:
        return False
    try:
        if not _judge(server, claim, shutdown):
            _judge(server, claim, shutdown, is_last=True)
    except Unavailable as error:  # storage or database: nobody's crash, another try will do
        _log.warning("job %d given back: %s (%s)", claim.job_id, error, error.__cause__)
        _give_back_at_last(server.store, claim, shutdown)
    return True


def _judge(server: Server, claim: Claim, shutdown: Shutdown, *, is_last: bool = False) -> bool:
    """Judge in a fresh folder and conclude; ``False`` where the child fell: once may be chance, twice is the file."""
    with folder_of(claim, server.config.data) as folder, _kept_lease(server, claim, shutdown, folder) as end:
        try:
            task = load_task(server.store, claim)
            with told():
                outcome = jail.run(server.judge, task.model_dump_json().encode(), folder, end, readable=task.files())
            if outcome.ending is Ending.FELL and not is_last:
                return False
            if outcome.ending in (Ending.TOO_COSTLY, Ending.FELL, Ending.CRASHED):
                require_good_storage(server)
            _conclude(server, claim, task, outcome, folder)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001  (whatever it was, it is this job's crash and staff read it)
            require_good_storage(server)
            _log.exception("job %d", claim.job_id)
            give_back(server.store, claim, traceback.format_exc())
    return True


def _give_back_at_last(store: Store, claim: Claim, shutdown: Shutdown) -> None:
    """However long the database is away, too: what the claim has counted as a crash is to be taken back."""
    is_given_back = False
    while not is_given_back:
        try:
            give_back_for_trouble_of_ours(store, claim)
            is_given_back = True
        except Unavailable as error:
            _log.warning("job %d not given back yet: %s", claim.job_id, error)
            if shutdown.asked.is_set():
                raise
        shutdown.asked.wait(TROUBLE_S)


def _conclude(server: Server, claim: Claim, task: Task, outcome: Outcome, folder: Path) -> None:
    is_sent = not isinstance(task, BundleTask | HouseTask)
    match outcome.ending:
        case Ending.DONE:
            finish(server.store, claim, results.read(task, folder), folder)
        case Ending.STOPPED:
            give_back(server.store, claim, "", crashed=False)
        case Ending.TOO_COSTLY if is_sent:
            reject(server.store, claim, _too_costly(outcome))
        case Ending.FELL if is_sent:
            reject(server.store, claim, damaged(outcome.detail.split(maxsplit=1)[0]))
        case Ending.TOO_COSTLY | Ending.FELL | Ending.CRASHED:
            give_back(server.store, claim, outcome.detail)
        case _:
            assert_never(outcome.ending)


def _too_costly(outcome: Outcome) -> Report:
    used = outcome.detail.strip().splitlines()[-1]
    sentence = f"Judging this file was ended ({used}): it needs far more than any honest file of this race does."
    return Report(problems=(Problem("trace.too-costly", sentence),))


def finish(store: Store, claim: Claim, result: results.Result, folder: Path) -> bool:
    """Write down what came of a job, whose files are in ``folder``; ``False`` when the job is no longer ours."""
    match result:
        case Verdict():
            return finish_defence(store, claim, result, folder)
        case AttackVerdict() if claim.kind == PRACTICE:
            return finish_practice(store, claim, result)
        case AttackVerdict():
            return finish_attack(store, claim, result)
        case Bundle():
            return finish_bundle(store, claim, result, folder)
        case House():
            return finish_house(store, claim, result, folder)
        case _:
            assert_never(result)


@contextmanager
def _kept_lease(server: Server, claim: Claim, shutdown: Shutdown, folder: Path) -> Iterator[Event]:
    """Extend a lease during the block; the event is set when the job is no longer mine, or time is up.

    The steps that the child announces in its folder are told on the way.
    """
    end, done = Event(), Event()
    keeper = Thread(target=_keep_lease, args=(server, claim, shutdown, folder, end, done), daemon=True)
    keeper.start()
    try:
        yield end
    finally:
        done.set()
        keeper.join()


def _keep_lease(server: Server, claim: Claim, shutdown: Shutdown, folder: Path, end: Event, done: Event) -> None:
    every_s = server.config.lease_s / 3
    next_at = time.monotonic() + every_s
    told: Step | None = None
    while not done.wait(min(every_s, LOOK_S)):
        if shutdown.overdue.is_set():
            end.set()
        try:
            if time.monotonic() >= next_at and not end.is_set():
                next_at = time.monotonic() + every_s
                if not extend_lease(server.store, claim, server.config.lease_s):
                    end.set()
            step = announced(folder)
            if step is not None and step is not told:
                report_step(server.store, claim, step)
                told = step
        except SrsError as error:  # the fence decides in the end; until then the work may go on
            _log.warning("lease of job %d not extended: %s", claim.job_id, error)

"""``srs-server worker``: Celery's consumer. A message is only a bell: it makes one turn of ``work_once``."""

from __future__ import annotations

from threading import Thread
from typing import Any

from celery import Celery, signals
from celery.worker.request import Request

from srs.errors import SrsError
from srs.server.bell import TASK, celery_app
from srs.server.bootstrap import Server
from srs.server.worker.tend import tend_until
from srs.server.worker.work import Shutdown, wait_out, work_once, worker_name


def serve(server: Server, concurrency: int) -> int:
    """Work for the broker until SIGTERM; returns the exit status.

    Threads suffice, as every judgement is a process of its own. One more thread tends the installation.
    """
    shutdown = Shutdown()
    app = worker_app(server, shutdown)

    def ask(**_ignored: Any) -> None:
        shutdown.ask()

    signals.worker_shutting_down.connect(ask, weak=False)
    tender = Thread(target=tend_until, args=(server, shutdown.asked), daemon=True)
    tender.start()
    worker = app.Worker(
        pool="threads",
        concurrency=concurrency,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    shutdown.ask()
    tender.join(5)
    return int(worker.exitcode or 0)


class Ring(Request):  # type: ignore[misc]
    """A message whose failed acknowledgement makes the consumer connect anew.

    Celery only logs the failure, and the message keeps its place among the few that a consumer may hold: after as many
    as it has threads, a worker would never hear the broker again.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "connection_errors": ()})


def worker_app(server: Server, shutdown: Shutdown) -> Celery:
    """The application of the consuming side, with its one task."""
    app = celery_app(server.config.broker_url, for_requests=False)
    app.conf.update(worker_enable_remote_control=False)

    @app.task(name=TASK, ignore_result=True, max_retries=0, Request=Ring)  # type: ignore[untyped-decorator]
    def work(_job_id: int) -> None:
        try:
            work_once(server, worker_name("celery"), shutdown)
        except SrsError as error:
            wait_out(error, shutdown)  # the sweeper rings again

    return app

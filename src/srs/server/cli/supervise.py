"""``srs-server run``: the parts of one machine as processes, kept alive and ended together.

Web (gunicorn), workers and the tender are forked from one process that has done the imports (``nursery.py``). A part
that dies is started again; SIGTERM or Ctrl-C ends all of them, within half a minute; if this process is killed, they
end by themselves.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from srs.errors import InputError
from srs.server.bootstrap import open_server
from srs.server.cli.web_worker import PatientWorker
from srs.server.config import Config
from srs.server.worker.confine import PR_SET_PDEATHSIG
from srs.server.worker.tend import tend_until
from srs.server.worker.work import Shutdown, work_until, worker_name

PAUSE_S = 1.0
"""Between two starts of the same part."""
END_WITHIN_S = 28.0
THREADS = 8
TEMPORARY_MAX_BYTES = 60
"""Of the path to the folder for temporary files: what multiprocessing adds to it must fit a socket's name."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One process: its name, and what it does with its arguments."""

    name: str
    target: Callable[..., None]
    arguments: tuple[Any, ...]


def parts(config: Config, host: str, port: int, web_processes: int, workers: int) -> list[Part]:
    """The parts of an installation. Raises ``InputError`` where the port is taken."""
    _refuse_taken(host, port)
    return [Part("web", serve_pages, (config, host, port, web_processes)), *hidden_parts(config, workers)]


def hidden_parts(config: Config, workers: int) -> list[Part]:
    """The parts that need no port: the tender and the workers."""
    return [
        Part("tender", tend, (config,)),
        *(Part(f"worker-{number}", work, (config, str(number))) for number in range(1, workers + 1)),
    ]


def run(wanted: list[Part], until: Callable[[], bool] = lambda: False) -> int:
    """Keep the parts running until a signal (or ``until``) ends them; returns the exit status.

    Call it from the main thread, which alone is told of signals. The parts end with this process.
    """
    ends: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: ends.append(got))
    running = {part: _start(part) for part in wanted}
    while not ends and not until():
        wait([process.sentinel for process in running.values()], timeout=0.2)
        for part, process in running.items():
            if not process.is_alive() and not ends:
                _log.error("%s ended with status %s; starting it again", part.name, process.exitcode)
                time.sleep(PAUSE_S)
                running[part] = _start(part)
    return _end(list(running.values()))


def _start(part: Part) -> multiprocessing.process.BaseProcess:
    # A copy of a process that has only imported: nothing (threads, connections) is shared with this one by accident.
    fork_server = multiprocessing.get_context("forkserver")
    fork_server.set_forkserver_preload(["srs.server.cli.nursery"])
    process = fork_server.Process(target=_begin, args=(part,), name=part.name, daemon=False)
    with _room_for_a_socket():
        process.start()
    return process


@contextmanager
def _room_for_a_socket() -> Iterator[None]:
    """The fork server listens in the folder for temporary files, and a socket's name has 107 bytes at most."""
    chosen = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > TEMPORARY_MAX_BYTES:
        tempfile.tempdir = "/tmp"  # noqa: S108  (a folder of our own is made in it)
    try:
        yield
    finally:
        tempfile.tempdir = chosen


def _begin(part: Part) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # of the fork server, which is our parent
    threading.Thread(target=_end_with_supervisor, name="supervisor", daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.setpgid(0, 0)  # the terminal's Ctrl-C is for the supervisor alone
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s {part.name}: %(message)s")
    part.target(*part.arguments)


def _end_with_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None  # noqa: S101
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _end(processes: list[multiprocessing.process.BaseProcess]) -> int:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + END_WITHIN_S
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    late = [process for process in processes if process.is_alive()]
    for process in late:
        _log.error("%s did not end in time and is killed", process.name)
        process.kill()
        process.join()
    return 1 if late else 0


def work(config: Config, part: str) -> None:
    """A worker without a broker: it looks for jobs by itself."""
    shutdown = Shutdown()
    shutdown.on_signals()
    server = open_server(config)
    work_until(server, worker_name(part), shutdown)
    server.close()


def tend(config: Config) -> None:
    """Sweep, advance rounds, send mail."""
    shutdown = Shutdown()
    shutdown.on_signals()
    server = open_server(config)
    tend_until(server, shutdown.asked)
    server.close()


def serve_pages(config: Config, host: str, port: int, processes: int) -> None:
    """Gunicorn with threads; each process opens its own connections."""
    _Pages(config, f"{host}:{port}", processes).run()


class _Pages(BaseApplication):  # type: ignore[misc]
    """The site as gunicorn wants it."""

    def __init__(self, config: Config, bind: str, processes: int) -> None:
        self._config, self._bind, self._processes = config, bind, processes
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": self._bind,
            "workers": self._processes,
            "threads": THREADS,
            "worker_class": PatientWorker,
            "timeout": 60,
            "graceful_timeout": 20,
            "keepalive": 5,
            "worker_connections": 700,  # of the 1 024 files that a process may often have open
            "forwarded_allow_ips": "",  # whom to believe is the site's own setting
            "worker_tmp_dir": str(self._config.data),
            "limit_request_line": 4094,
            "limit_request_fields": 60,
            "control_socket_disable": True,
            "loglevel": "warning",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from srs.server.web.app import create_app

        return create_app(open_server(self._config))


def _refuse_taken(host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        raise InputError(
            "run.port",
            f"Port {port} of {host} cannot be had: {error.strerror}.",
            hint="Choose another one with --port.",
        ) from error

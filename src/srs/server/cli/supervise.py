"""``srs-server run``: the parts of one machine as processes, kept alive and ended together.

Web (gunicorn), workers and the tender are forked from one process that has done the imports (``nursery.py``). A part
that dies is started again, and one that cannot start ends the whole; SIGTERM or Ctrl-C ends all of them, within half a
minute; if this process is killed, they end by themselves. The site's socket is the supervisor's: while there is no web
part connections wait, and none is refused.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.errors import HaltServer  # type: ignore[import-untyped]

from srs.errors import InputError, SrsError, Unavailable
from srs.server.bootstrap import open_server
from srs.server.cli.orphans import end_with_parent, end_with_supervisor
from srs.server.cli.web_worker import PatientWorker
from srs.server.config import Config
from srs.server.worker.tend import tend_until
from srs.server.worker.work import Shutdown, work_until, worker_name

LOOK_S = 0.2
"""Between two looks at the parts."""
PAUSE_S = 1.0
"""Before a part that has ended is started again; twice as long after each start that came to nothing."""
TRIES = 4
"""Starts of one part in a row that may come to nothing."""
READY = ""
WORDS_MAX_BYTES = 2000
BACKLOG = 2048
"""Connections that wait while no part serves the site."""
END_WITHIN_S = 28.0
THREADS = 8
HEARTBEATS = Path("/dev/shm")  # noqa: S108  (each is a file without a name)
"""Where gunicorn's processes show that they live; on the disk of the data they would die with it."""
TEMPORARY_MAX_BYTES = 60
"""Of the path to the folder for temporary files: what multiprocessing adds to it must fit a socket's name."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One process: its name, and what it does with its arguments and its ``Voice``."""

    name: str
    target: Callable[..., None]
    arguments: tuple[Any, ...]


def parts(config: Config, listener: socket.socket, web_processes: int, workers: int) -> list[Part]:
    """The parts of an installation whose pages are asked for at ``listener``."""
    return [Part("web", serve_pages, (config, listener, web_processes)), *hidden_parts(config, workers)]


def hidden_parts(config: Config, workers: int) -> list[Part]:
    """The parts that need no port: the tender and the workers."""
    return [
        Part("tender", tend, (config,)),
        *(Part(f"worker-{number}", work, (config, str(number))) for number in range(1, workers + 1)),
    ]


def listen(host: str, port: int) -> socket.socket:
    """The socket of the site, which outlives the part that serves it. Raises ``InputError`` where the port is taken."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise InputError(
            "run.port",
            f"Port {port} of {host} cannot be had: {why}.",
            hint="Choose another one with --port.",
        ) from error


def run(wanted: list[Part], listener: socket.socket | None = None, until: Callable[[], bool] = lambda: False) -> int:
    """Keep the parts running until a signal (or ``until``) ends them; returns the exit status. Closes the ``listener``.

    Call it from the main thread, which alone is told of signals. The parts end with this process. Raises
    ``Unavailable`` where a part could not start ``TRIES`` times in a row; the others are ended before.
    """
    ends: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: ends.append(got))
    running = [_Running(part) for part in wanted]
    try:
        while not ends and not until():
            time.sleep(LOOK_S)
            for each in running:
                each.keep()
    finally:
        if listener is not None:
            listener.close()  # whoever comes now is refused, and waits for nothing
        is_late = _end(running)
    return 1 if is_late else 0


class _Running:
    """A part that is kept running: its process of the moment, what that has told, and when the next one is due."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._failures = 0
        """Starts in a row that came to nothing."""
        self._start()

    def _start(self) -> None:
        # A copy of a process that has only imported: no thread or connection is shared with this one by accident.
        fork_server = multiprocessing.get_context("forkserver")
        fork_server.set_forkserver_preload(["srs.server.cli.nursery"])
        self._heard, told = fork_server.Pipe(duplex=False)
        self.process = fork_server.Process(
            target=_begin, args=(self._part, Voice(told)), name=self._part.name, daemon=False
        )
        with _room_for_a_socket():
            self.process.start()
        told.close()
        self._is_ready, self._trouble, self._due_at = False, "", 0.0

    def keep(self) -> None:
        """Start the part again where it has ended, after a pause. Raises ``Unavailable`` after too many tries."""
        has_ended = not self.process.is_alive()
        self._listen()
        if not has_ended:
            return
        if not self._due_at:
            self._due_at = time.monotonic() + self._pause_s()
        elif time.monotonic() >= self._due_at:
            self._heard.close()
            self._start()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while self._heard.poll():
                words = self._heard.recv_bytes(WORDS_MAX_BYTES).decode(errors="replace")
                if words == READY:
                    self._is_ready, self._failures = True, 0
                else:
                    self._trouble = words

    def _pause_s(self) -> float:
        name, why = self._part.name, self._trouble or f"it ended with {_status(self.process.exitcode)}."
        if self._is_ready:
            _log.error("%s has ended and is started again: %s", name, why)
            return PAUSE_S
        self._failures += 1
        if self._failures == TRIES:
            raise Unavailable("run.part", f"The part {name!r} could not start, {TRIES} times in a row: {why}")
        pause_s = PAUSE_S * 2.0 ** (self._failures - 1)
        _log.error("%s could not start and is tried again in %.0f s: %s", name, pause_s, why)
        return pause_s


def _status(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"status {exit_code}"


class Voice:
    """By which a part tells the supervisor that it has started, or why it could not."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def ready(self) -> None:
        """It has started."""
        self._say(READY)

    def trouble(self, error: Exception) -> None:
        """It could not, or has ended; the log has the place of an error that nobody expected."""
        match error:
            case SrsError():
                self._say(str(error))
            case OSError(filename=str(path)):
                self._say(f"{path}: {error.strerror}.")
            case _:
                _log.error("an unexpected error", exc_info=error)
                self._say(f"{type(error).__name__}: {error}.")

    def _say(self, words: str) -> None:
        with suppress(OSError):  # nobody listens any more
            self._pipe.send_bytes(words.encode()[:WORDS_MAX_BYTES])


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


def _begin(part: Part, voice: Voice) -> None:
    end_with_parent(os.getppid())  # the fork server
    end_with_supervisor()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.setpgid(0, 0)  # the terminal's Ctrl-C is for the supervisor alone
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s {part.name}: %(message)s")
    try:
        part.target(*part.arguments, voice)
    except Exception as error:  # noqa: BLE001  (whatever it is, the supervisor tells it)
        voice.trouble(error)
        sys.exit(1)


def _end(running: list[_Running]) -> bool:
    """End every part; whether one of them had to be killed."""
    processes = [each.process for each in running]
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
    return bool(late)


def work(config: Config, part: str, voice: Voice) -> None:
    """A worker without a broker: it looks for jobs by itself."""
    shutdown = Shutdown()
    shutdown.on_signals()
    server = open_server(config)
    voice.ready()
    work_until(server, worker_name(part), shutdown)
    server.close()


def tend(config: Config, voice: Voice) -> None:
    """Sweep, advance rounds, send mail."""
    shutdown = Shutdown()
    shutdown.on_signals()
    server = open_server(config)
    voice.ready()
    tend_until(server, shutdown.asked)
    server.close()


def requests_file(config: Config) -> Path:
    """Where a demo writes down its requests."""
    return config.data / "requests.log"


def serve_pages(config: Config, listener: socket.socket, processes: int, voice: Voice) -> None:
    """Gunicorn with threads; each process opens its own connections."""
    try:
        _Pages(config, listener.detach(), processes, voice).run()
    except HaltServer as halted:  # one more process could not start while gunicorn ended for the first that could not
        sys.exit(halted.exit_status)


class _Pages(BaseApplication):  # type: ignore[misc]
    """The site as gunicorn wants it; ``listener`` is the descriptor of a socket that listens."""

    def __init__(self, config: Config, listener: int, processes: int, voice: Voice) -> None:
        self._config, self._listener, self._processes, self._voice = config, listener, processes, voice
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": f"fd://{self._listener}",
            "workers": self._processes,
            "threads": THREADS,
            "worker_class": PatientWorker,
            "timeout": 60,
            "graceful_timeout": 20,
            "keepalive": 5,
            "worker_connections": 700,  # of the 1 024 files that a process may often have open
            "forwarded_allow_ips": "",  # whom to believe is the site's own setting
            "worker_tmp_dir": str(HEARTBEATS if os.access(HEARTBEATS, os.W_OK) else self._config.data),
            "limit_request_line": 4094,
            "limit_request_fields": 60,
            "control_socket_disable": True,
            "loglevel": "warning",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from srs.server.web.app import create_app
        from srs.server.web.safety import access_log

        if self._config.demo:  # the screen is for what a visitor must read
            file = logging.FileHandler(requests_file(self._config))
            file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            access_log.addHandler(file)
            access_log.propagate = False
        try:
            app = create_app(open_server(self._config))
        except Exception as error:  # noqa: BLE001  (gunicorn would only print it)
            self._voice.trouble(error)
            sys.exit(Arbiter.APP_LOAD_ERROR)
        self._voice.ready()
        return app

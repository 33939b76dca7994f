"""``srs-server run``: one command, a whole site; what dies is started again; nothing stays behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import httpx
import psutil
import pytest

from faults.plant import all_jobs, make_race, pending, send_many, wait_for
from fixtures.databases import SECRET
from fixtures.live import web_processes
from fixtures.servers import dies_with_us, free_port
from fixtures.sizes import FULL
from srs.server.config import Config
from srs.server.store.engine import Store

PATIENCE_S = 600.0


@dataclass
class Site:
    """A running ``srs-server run``."""

    process: subprocess.Popen[bytes]
    base_url: str

    def answers(self) -> bool:
        """Whether the site answers."""
        try:
            return httpx.get(f"{self.base_url}/health", timeout=PATIENCE_S).status_code == 200
        except httpx.TransportError:
            return False

    def connect(self) -> socket.socket:
        """A connection to the site."""
        address = httpx.URL(self.base_url)
        return socket.create_connection((address.host, address.port or 0), timeout=PATIENCE_S)

    def parts(self) -> list[psutil.Process]:
        """Every process below the supervisor."""
        return psutil.Process(self.process.pid).children(recursive=True)


def environ(config: Config) -> dict[str, str]:
    """The settings of an installation, and nothing else that is ours; temporary files have a long way."""
    temporary = config.data / ("far away " * 10)
    temporary.mkdir(exist_ok=True)
    others = {name: value for name, value in os.environ.items() if not name.startswith("SRS_")}
    return others | {
        "TMPDIR": str(temporary),
        "SRS_DATA": str(config.data),
        "SRS_DATABASE_URL": config.database_url,
        "SRS_SECRET_KEY": SECRET,
        "SRS_SWEEP_S": "0.3",
        "SRS_LEASE_S": "2",
    }


@contextmanager
def running(config: Config, *options: str) -> Iterator[Site]:
    port = free_port()
    command = [sys.executable, "-m", "srs.server.cli.main", "run", "--port", str(port), *options]
    with (config.data / "run.log").open("wb") as log:
        process = subprocess.Popen(dies_with_us(command), env=environ(config), stdout=log, stderr=log)
    site = Site(process, f"http://127.0.0.1:{port}")
    try:
        wait_for(site.answers, PATIENCE_S, "the site answers")
        yield site
    finally:
        parts = site.parts() if process.poll() is None else []
        process.kill()
        process.wait()
        for part in parts:
            if part.is_running():
                part.kill()


@pytest.fixture
def store(sqlite_config: Config) -> Iterator[Store]:
    opened = Store(sqlite_config)
    yield opened
    opened.close()


def gone(parts: list[psutil.Process]) -> bool:
    return not any(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts)


OF_THE_SAME_USER = """
import sys
from pathlib import Path
from srs.server.worker.confine import give_up_capabilities
give_up_capabilities()
for process in sys.argv[1:]:
    for path in Path(f"/proc/{process}/environ"), Path(f"/proc/{process}/mem"):
        try:
            with path.open("rb") as file:
                print(path, file.read() if path.name == "environ" else "")
        except PermissionError as error:
            print(path, error.strerror)
"""


def read_by_others(processes: list[int]) -> str:
    """What another process of this user, without root's capabilities, reads in the environments of these."""
    command = [sys.executable, "-I", "-c", OF_THE_SAME_USER, *map(str, processes)]
    found = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert f"/proc/{processes[0]}/environ Permission denied" in found
    assert f"/proc/{processes[0]}/mem Permission denied" in found
    return found


def test_it_serves_judges_and_ends_in_good_order(sqlite_config: Config, store: Store) -> None:
    """R16: SIGTERM ends every part within half a minute, with status 0, and no work is lost."""
    race = make_race(store)
    with running(sqlite_config, "--web-processes", "1") as site:
        send_many(race, 4)
        wait_for(lambda: not pending(store), PATIENCE_S, "all is judged")
        assert {job.state for job in all_jobs(store)} == {"accepted"}
        parts = site.parts()
        assert len(parts) >= 4
        assert SECRET not in read_by_others([site.process.pid, *(part.pid for part in parts)])
        send_many(race, 2, first=4)
        site.process.terminate()
        assert site.process.wait(PATIENCE_S) == 0, "a part that takes longer is killed, and the status tells it"
        wait_for(lambda: gone(parts), PATIENCE_S, "every part is gone")
    assert "running" not in {job.state for job in all_jobs(store)}
    assert [job.crashes for job in all_jobs(store) if job.state == "queued"] == [0] * pending(store)


def test_parts_that_die_come_back_and_none_outlives_the_whole(sqlite_config: Config, store: Store) -> None:
    """Kill every part, then what they are forked from, then the supervisor itself."""
    race = make_race(store)
    with running(sqlite_config, "--web-processes", "1") as site:
        before = site.parts()
        [fork_server] = [each for each in before if "multiprocessing.forkserver" in " ".join(each.cmdline())][:1]
        parts = fork_server.children()
        assert len(parts) == 3, "web, tender, worker"
        for doomed in (parts, [fork_server]):
            old = [*doomed, *(child for each in doomed for child in each.children(recursive=True))]
            for each in doomed:
                each.kill()
            wait_for(lambda old=old: gone(old), PATIENCE_S, "the old parts are gone")
            wait_for(site.answers, PATIENCE_S, "the site answers again")
        send_many(race, 1)
        wait_for(lambda: not pending(store), PATIENCE_S, "it judges again")
        parts = site.parts()
        site.process.send_signal(signal.SIGKILL)
        site.process.wait()
        wait_for(lambda: gone(parts), PATIENCE_S, "every part is gone")


class Knocking:
    """Somebody who opens one connection after the other, and what came of each."""

    def __init__(self, site: Site) -> None:
        self.answers: list[str] = []
        self._site, self._is_over = site, threading.Event()
        self._thread = threading.Thread(target=self._knock)

    def _knock(self) -> None:
        while not self._is_over.wait(0.05):
            try:
                with self._site.connect() as connection:
                    connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    self.answers.append(connection.makefile().readline().strip())
            except OSError as error:
                self.answers.append(repr(error))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def test_a_killed_web_server_refuses_nobody_and_leaves_nobody(sqlite_config: Config) -> None:
    """``kill -9`` of gunicorn's master, while one visitor is slow and another knocks again and again.

    The slow one keeps an old process busy for ten seconds; the new one serves the site beside it.
    """
    with running(sqlite_config, "--workers", "0", "--web-processes", "2") as site:
        wait_for(lambda: len(web_processes(site.base_url)) == 3, PATIENCE_S, "a master and its children")
        old = web_processes(site.base_url)
        with site.connect() as slow, Knocking(site) as knocking:
            slow.sendall(b"GET / HTTP/1.1\r\n")  # and the rest of the head does not come
            wait_for(lambda: knocking.answers, PATIENCE_S, "somebody answers")
            old[0].kill()
            wait_for(lambda: set(web_processes(site.base_url)) - set(old), PATIENCE_S, "there is a new one")
            so_far = len(knocking.answers)
            wait_for(lambda: len(knocking.answers) > so_far + 5, PATIENCE_S, "it answers")
            if not FULL:
                slow.close()
            wait_for(lambda: gone(old), 25, "the old processes are gone")
        assert set(knocking.answers) == {"HTTP/1.1 200 OK"}


def failing_run(config: Config, port: int) -> str:
    """What a ``run`` that cannot go on says before it ends."""
    command = [sys.executable, "-m", "srs.server.cli.main", "run", "--port", str(port)]
    ended = subprocess.run(
        command, env=environ(config), check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_port_that_is_taken_is_told(sqlite_config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = failing_run(sqlite_config, port)
    assert (
        said.splitlines()[-1]
        == f"Port {port} of 127.0.0.1 cannot be had: Address already in use. Choose another one with --port."
    )


CANNOT_START = """
import sys
from pathlib import Path
from srs.errors import Unavailable
from srs.server.cli import supervise
from srs.server.config import Config
if __name__ == "__main__":
    data = Path(sys.argv[1])
    config = Config(data=data, database_url=f"sqlite:///{data}/srs.sqlite", secret_key="")
    try:
        supervise.run(supervise.hidden_parts(config, 1))
    except Unavailable as error:
        sys.exit(str(error))
"""
"""Parts whose data folder cannot be made: a file stands in its way."""


def test_a_part_that_cannot_start_ends_the_whole(sqlite_config: Config) -> None:
    """It is tried again, less and less often; then all end, and the last words name the part and the cause."""
    (sqlite_config.data / "in the way").write_text("a file")
    command = [sys.executable, "-c", CANNOT_START, str(sqlite_config.data / "in the way" / "data")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    said = ended.stderr.splitlines()
    last = re.fullmatch(r"The part '(\S+)' could not start, 4 times in a row: (.+)", said[-1])
    assert last is not None, said
    part, cause = last.groups()
    assert cause.startswith("The server cannot reach its files")
    tried = [line for line in said if f"{part} could not start and is tried again in" in line]
    pauses = [f"is tried again in {pause} s: {cause}" for pause in (1, 2, 4)]
    assert [line.partition(" and ")[2] for line in tried] == pauses
    assert "Traceback" not in ended.stderr

"""``srs-server run``: one command, a whole site; what dies is started again; nothing stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil
import pytest

from faults.plant import all_jobs, make_race, pending, send_many, wait_for
from fixtures.databases import SECRET
from fixtures.servers import dies_with_us, free_port
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


def test_a_port_that_is_taken_is_told(sqlite_config: Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        second = subprocess.run(
            [sys.executable, "-m", "srs.server.cli.main", "run", "--port", port],
            env=environ(sqlite_config),
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    assert second.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be had: Address already in use." in second.stderr
    assert "Traceback" not in second.stderr

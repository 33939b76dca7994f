"""A private PostgreSQL and a private Redis for tests: real servers in a temporary folder, gone at the end.

Import the fixtures into a ``conftest.py``: ``from servers import postgres, redis_server``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis

START_S = 30.0


@dataclass(frozen=True)
class Postgres:
    """A cluster that listens on a unix socket in its own folder."""

    folder: Path

    def url(self, database: str) -> str:
        """What ``SRS_DATABASE_URL`` is to be."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def create(self, template: str = "template1") -> str:
        """Make a fresh database and return its name."""
        name = f"srs_{uuid.uuid4().hex[:16]}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return name

    def drop(self, name: str) -> None:
        """Delete a database, whoever is still connected."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as c:
            c.execute(statement.encode())


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """Make a cluster and serve it until the end of the block."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = str(binaries[-1] / "initdb") if binaries else shutil.which("initdb")
    if found is None:
        pytest.fail("PostgreSQL is not installed here: run `make services`")
    folder = Path(tempfile.mkdtemp(prefix="srs-pg-"))
    try:
        drop_root: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            drop_root = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        init = [found, "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        run = ["setpriv", *drop_root]
        subprocess.run(
            [*run, *init, "--locale=C.UTF-8", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=folder
        )
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "200",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # The signal of the parent's death: a killed test run leaves no server behind.
        serve = ["setpriv", *drop_root, "--pdeathsig", "INT", str(Path(found).with_name("postgres"))]
        with _process([*serve, "-D", str(folder / "data"), *options], folder / "log", signal.SIGINT):
            cluster = Postgres(folder)
            _wait_until(lambda: cluster._run("SELECT 1"), psycopg.OperationalError, folder / "log")
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def run_redis(port: int | None = None) -> Iterator[str]:
    """Serve an empty Redis on a free (or the given) port; yield its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.fail("Redis is not installed here: run `make services`")
    with tempfile.TemporaryDirectory(prefix="srs-redis-") as folder:
        port = port or free_port()
        command = ["setpriv", "--pdeathsig", "KILL", binary, "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", folder]
        log = Path(folder) / "log"
        with _process(command, log, signal.SIGTERM), redis.Redis(port=port) as client:
            _wait_until(client.ping, redis.ConnectionError, log)
            yield f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(command: list[str], log: Path, stop: signal.Signals) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until(ready: Callable[[], object], not_yet: type[Exception], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            ready()
        except not_yet:
            if time.monotonic() > deadline:
                pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the run; each test makes its own database in it."""
    with run_postgres() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of one Redis for the run; a test that uses it empties it."""
    with run_redis() as url:
        yield url

"""A test run that is ended in the middle, as a whole or one of its workers, leaves no server behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fixtures.live import PATIENCE_S, wait_for

TESTS = Path(__file__).parents[1]
RUN = """
import subprocess
from pathlib import Path
from threading import Event
import pytest
from fixtures.servers import dies_with_us

def test_with_servers({servers}):
    subprocess.Popen(dies_with_us(["sleep", "86400"]))  # what no fixture ends
    Path("begun").write_text("")
    Event().wait()
"""


@contextmanager
def run_of_tests(folder: Path, servers: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run of one test, by a worker of pytest-xdist, that is in the middle of it; its temporary files have a folder."""
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o755)  # PostgreSQL runs as a user of its own
    (folder / "test_it.py").write_text(RUN.format(servers=servers), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "fixtures.servers", "-p", "no:randomly"]
    command += ["-p", "no:cacheprovider", "--basetemp", str(folder / "base"), "test_it.py"]
    environ = os.environ | {"PYTHONPATH": str(TESTS), "TMPDIR": str(folder / "tmp")}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=output)
    try:

        def has_begun() -> str | None:
            assert process.poll() is None, (folder / "output").read_text(encoding="utf-8")
            return "yes" if (folder / "begun").exists() else None

        wait_for(has_begun)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("number", "to_all", "servers"),
    [
        (signal.SIGTERM, True, "postgres, redis_server"),
        (signal.SIGTERM, False, "redis_server"),
        (signal.SIGKILL, False, "redis_server"),
    ],
    ids=["the run", "its worker", "its worker, killed"],
)
def test_what_is_started_ends(tmp_path: Path, number: signal.Signals, to_all: bool, servers: str) -> None:
    with run_of_tests(tmp_path, servers) as process:
        started = psutil.Process(process.pid).children(recursive=True)
        programs = {one.name() for one in started}
        assert {"redis-server", "sleep"} <= programs
        assert ("postgres" in programs) == ("postgres" in servers)
        [worker] = psutil.Process(process.pid).children()
        os.kill(process.pid if to_all else worker.pid, number)
        wait_for(lambda: None if any(one.is_running() for one in started) else "gone")
        process.wait(PATIENCE_S)
    if number == signal.SIGTERM:
        assert list((tmp_path / "tmp").iterdir()) == []

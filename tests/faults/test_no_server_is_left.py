"""A test run that is ended in the middle, as a whole or one of its workers, leaves no server behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fixtures.live import PATIENCE_S, wait_for
from fixtures.sizes import FULL

TESTS = Path(__file__).parents[1]
RUN = """
import subprocess
from pathlib import Path
from threading import Event
from fixtures.servers import dies_with_us

def test_with_servers({servers}):
    subprocess.Popen(dies_with_us(["sleep", "86400"]))  # what no fixture ends
    Path("begun").write_text("")
    Event().wait()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where PostgreSQL can come, too, which runs as a user of its own."""
    with tempfile.TemporaryDirectory(prefix="srs-run-") as name:
        for path in (Path(name), Path(name) / "tmp"):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
        yield Path(name)


@contextmanager
def run_of_tests(folder: Path, servers: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is in the middle of its only test, in a worker of pytest-xdist; temporary files are in ``tmp``."""
    (folder / "test_it.py").write_text(RUN.format(servers=servers), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "1", "-p", "fixtures.servers"]
    command += ["-p", "no:cacheprovider", "test_it.py"]
    environ = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they take longer than all the rest
        "PYTHONPATH": str(TESTS),
        "TMPDIR": str(folder / "tmp"),
    }
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


@pytest.mark.parametrize("ended", ["the run", "its worker"] if FULL else ["the run"])
def test_what_is_started_ends(folder: Path, ended: str) -> None:
    """Programs and temporary files. In the worker's turn without PostgreSQL, which takes its time to begin."""
    servers = {"the run": "postgres, redis_server", "its worker": "redis_server"}[ended]
    with run_of_tests(folder, servers) as process:
        [worker] = psutil.Process(process.pid).children()
        started = worker.children(recursive=True)
        programs = {one.name() for one in started}
        assert programs == {"sleep", "redis-server"} | ({"postgres"} if ended == "the run" else set())
        os.kill(process.pid if ended == "the run" else worker.pid, signal.SIGTERM)
        wait_for(lambda: None if any(one.is_running() for one in [worker, *started]) else "gone")
        process.wait(PATIENCE_S)
    assert list((folder / "tmp").glob("srs-*")) == []

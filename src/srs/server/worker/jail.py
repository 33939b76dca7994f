"""Runs one judgement in a confined child process and says how it ended.

The child confines itself first (``confine.py``); from here its resident memory and wall time are watched, since
address space is no measure (polars maps 1.3 GB to use 0.2) and nobody can limit resident memory from inside.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Event
from typing import IO

from srs.judging.ended import fault
from srs.server.worker.confine import CPU_S

TOO_COSTLY_STATUS = 75
"""Exit status of a child that met a limit itself (no memory, a file too large)."""
READABLE = "readable.json"
"""The file in a child's folder that names the files of its task."""
WORKER_PID = "WORKER_PID"
"""The variable that tells a child whose child it is."""
KEPT_OUTPUT_BYTES = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Ending(Enum):
    """How a child ended."""

    DONE = "done"
    TOO_COSTLY = "too costly"
    FELL = "fell"
    """By a fault: what it read made its libraries end it. The detail begins with the signal's name."""
    CRASHED = "crashed"
    STOPPED = "stopped"
    """By us: the job is no longer ours, or the worker is to end."""


@dataclass(frozen=True)
class Outcome:
    """An ending, and for staff what was seen of it (the tail of what the child printed)."""

    ending: Ending
    detail: str = ""


@dataclass(frozen=True)
class Limits:
    """What a judgement may use."""

    resident_max_bytes: int = 1 << 30
    cpu_s: float = CPU_S
    wall_s: float = 120.0
    look_s: float = 0.02
    """Time between two looks at the child."""


LIMITS = Limits()


def run(
    command: Sequence[str],
    task: bytes,
    folder: Path,
    stop: Event,
    limits: Limits = LIMITS,
    readable: Iterable[Path] = (),
) -> Outcome:
    """Run ``command`` in ``folder`` with ``task`` on its standard input, until it ends or must be ended.

    Nothing of this process's environment reaches it, and of all data only its folder and what is ``readable``. When
    this returns, the child is gone.
    """
    (folder / READABLE).write_text(json.dumps([str(path) for path in readable]), encoding="utf-8")
    task_file = folder / "task.json"
    task_file.write_bytes(task)
    with (
        task_file.open("rb") as source,
        subprocess.Popen(  # noqa: S603  (our own command, never a shell)
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
        ) as child,
    ):
        watch = _Watch(child, limits, stop)
        try:
            return watch.until_the_end()
        finally:
            watch.kill()


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        WORKER_PID: str(os.getpid()),
        "POLARS_MAX_THREADS": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


class _Watch:
    """Looks at one child again and again: its memory, its time, its output, its end."""

    def __init__(self, child: subprocess.Popen[bytes], limits: Limits, stop: Event) -> None:
        assert child.stdout is not None  # noqa: S101
        self._child, self._limits, self._stop = child, limits, stop
        self._output: IO[bytes] = child.stdout
        self._kept = bytearray()
        self._deadline = time.monotonic() + limits.wall_s
        self._cpu_s = 0.0
        os.set_blocking(self._output.fileno(), False)

    def until_the_end(self) -> Outcome:
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            is_open = True
            while self._child.returncode is None:
                if is_open:
                    if selector.select(self._limits.look_s):
                        is_open = self._keep_output()
                else:
                    time.sleep(self._limits.look_s)
                reason = self._reason_to_end()
                if reason is not None:
                    return reason
                self._look_for_the_end()
            while is_open and self._keep_output():
                pass
        return self._judge_status()

    def kill(self) -> None:
        """End the child, and whatever is in its session, if it is still there."""
        if self._child.returncode is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def _keep_output(self) -> bool:
        """Keep the tail of what the child prints; ``False`` at the end of it."""
        try:
            data = os.read(self._output.fileno(), 1 << 16)
        except BlockingIOError:
            return self._child.returncode is None
        self._kept += data
        del self._kept[:-KEPT_OUTPUT_BYTES]
        return bool(data)

    def _reason_to_end(self) -> Outcome | None:
        if self._stop.is_set():
            return Outcome(Ending.STOPPED)
        if time.monotonic() > self._deadline:
            return Outcome(Ending.TOO_COSTLY, f"more than {self._limits.wall_s:.0f} s")
        if _resident_bytes(self._child.pid) > self._limits.resident_max_bytes:
            megabytes = self._limits.resident_max_bytes / 1e6
            return Outcome(Ending.TOO_COSTLY, f"more than {megabytes:.0f} MB of memory")
        return None

    def _look_for_the_end(self) -> None:
        pid, status, used = os.wait4(self._child.pid, os.WNOHANG)
        if pid:
            self._child.returncode = os.waitstatus_to_exitcode(status)
            self._cpu_s = used.ru_utime + used.ru_stime

    def _judge_status(self) -> Outcome:
        status, tail = self._child.returncode, self._kept.decode("utf-8", "replace")
        if status == 0:
            return Outcome(Ending.DONE, tail)
        if status == -signal.SIGXCPU or (status == -signal.SIGKILL and self._cpu_s >= self._limits.cpu_s):
            return Outcome(Ending.TOO_COSTLY, f"more than {self._limits.cpu_s:.0f} s of processor time")
        if status == TOO_COSTLY_STATUS:
            return Outcome(Ending.TOO_COSTLY, tail)
        found = fault(status)
        if found is not None:
            return Outcome(Ending.FELL, f"{found}\n{tail}".strip())
        ended = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return Outcome(Ending.CRASHED, f"{ended}\n{tail}".strip())


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it has just ended (then it is waited for, not killed)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0

"""F8: what a hostile file could make of the judging child, tried with real children."""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faults.plant import wait_for
from fixtures.sizes import FULL, record, size
from srs.server.worker import jail
from srs.server.worker.confine import filter_program
from srs.server.worker.jail import Ending, Limits, Outcome, run

CPU_S = size(1, 30)
PATIENCE_S = 600.0
LIMITS = Limits(wall_s=PATIENCE_S)


def command(script: str, cpu_s: int = 30) -> tuple[str, ...]:
    """A child that confines itself and then does what ``script`` says."""
    confined = f"from srs.server.worker.confine import confine\nconfine({cpu_s})\n"
    return (sys.executable, "-I", "-c", confined + script)


def child(tmp_path: Path, script: str, *, task: bytes = b"{}", limits: Limits = LIMITS) -> Outcome:
    """How such a child ends."""
    return run(command(script), task, tmp_path, threading.Event(), limits)


def test_an_honest_child_reads_its_task_and_leaves_its_files(tmp_path: Path) -> None:
    outcome = child(tmp_path, "import sys; open('result', 'w').write(sys.stdin.read()[::-1])", task=b"abc")
    assert outcome.ending is Ending.DONE
    assert (tmp_path / "result").read_text() == "cba"


def test_f8_more_than_its_memory(tmp_path: Path) -> None:
    """F8: 1 GB of resident memory."""
    outcome = child(tmp_path, "kept = []\nwhile True: kept.append(bytearray(b'x') * (32 << 20))")
    assert outcome.ending is Ending.TOO_COSTLY
    assert "MB of memory" in outcome.detail
    record("F8", 1, note="memory bomb ended")


def test_f8_address_space_is_no_measure(tmp_path: Path) -> None:
    """F8: what is only mapped costs nothing."""
    outcome = child(tmp_path, "import mmap; kept = mmap.mmap(-1, 8 << 30); print(len(kept))")
    assert outcome == Outcome(Ending.DONE, f"{8 << 30}\n")


def test_f8_more_than_its_processor_time(tmp_path: Path) -> None:
    """F8: 30 s of processor time (1 s here every day), also for one that ignores the warning."""
    deaf = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
    for script in ("while True: pass", deaf + "while True: pass"):
        limits = Limits(cpu_s=CPU_S, wall_s=PATIENCE_S)
        outcome = run(command(script, CPU_S), b"", tmp_path, threading.Event(), limits)
        assert outcome.ending is Ending.TOO_COSTLY, outcome
        assert "processor time" in outcome.detail


def test_f8_a_child_that_sleeps_is_ended(tmp_path: Path) -> None:
    outcome = child(tmp_path, "import time; time.sleep(86400)", limits=Limits(wall_s=0.1))
    assert outcome.ending is Ending.TOO_COSTLY


def test_f8_a_file_too_large(tmp_path: Path) -> None:
    script = "import os; handle = open('big', 'wb'); handle.truncate((2 << 30) + 1)"
    outcome = child(tmp_path, script)
    assert outcome.ending is Ending.CRASHED
    assert "File too large" in outcome.detail
    assert (tmp_path / "big").stat().st_size <= 2 << 30


REFUSED = {
    "tcp": "socket.socket()",
    "udp": "socket.socket(type=socket.SOCK_DGRAM)",
    "unix": "socket.socket(socket.AF_UNIX)",
    "vsock": "socket.socket(40)",
    "raw": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "pair": "socket.socketpair()",
    "name": "socket.getaddrinfo('example.org', 80)",
    "program": "os.execv('/bin/true', ['true'])",
    "subprocess": "subprocess.run(['/bin/true'])",
    "fork": "os.fork()",
    "signal the parent": "os.kill(os.getppid(), 0)",
    "signal everybody": "os.kill(-1, 0)",
    "raise a limit": "resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
    "other's limit": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "session": "os.setsid()",
    "chroot": "os.chroot('.')",
    "setuid": "os.setuid(1)",
    "ptrace": "call(101, 117, 16, os.getppid(), 0, 0)",
    "mount": "call(165, 40, 0, 0, 0, 0, 0)",
    "unshare": "call(272, 97, 0x10000000)",
    "setns": "call(308, 268, 0, 0)",
    "io_uring": "call(425, 425, 8, 0)",
    "bpf": "call(321, 280, 0, 0, 0)",
    "perf": "call(298, 241, 0, 0, -1, -1, 0)",
    "keyctl": "call(250, 219, 0, -3, 1)",
    "userfaultfd": "call(323, 282, 0)",
    "read the parent's memory": "call(310, 270, os.getppid(), 0, 0, 0, 0, 0)",
    "kexec": "call(246, 104, 0, 0, 0, 0)",
}
TRY_ALL = """
import ctypes, json, os, platform, resource, socket, subprocess, sys
def call(x86_64, aarch64, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    number = x86_64 if platform.machine() == "x86_64" else aarch64
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
answers = {}
for name, expression in json.load(sys.stdin).items():
    try:
        answers[name] = repr(eval(expression))
    except OSError as error:
        answers[name] = f"{type(error).__name__} {error.errno}"
    except ValueError as error:
        answers[name] = str(error)
json.dump(answers, open("answers.json", "w"))
"""


def test_f8_no_network_no_programs_no_privileges(tmp_path: Path) -> None:
    """F8: each way out is refused by the kernel, and the child can go on."""
    outcome = child(tmp_path, TRY_ALL, task=json.dumps(REFUSED).encode())
    assert outcome.ending is Ending.DONE, outcome
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert answers.pop("name").startswith("gaierror")
    assert answers.pop("raise a limit") == "not allowed to raise maximum limit"
    assert answers == dict.fromkeys(REFUSED.keys() - {"name", "raise a limit"}, "PermissionError 1")
    record("F8", len(REFUSED), note="ways out of the judging child, all refused")


def test_f8_threads_are_confined_too(tmp_path: Path) -> None:
    """F8: a thread that was there before the filter has it as well; new threads may be made."""
    script = """
import socket, threading
from srs.server.worker.confine import confine
go, answers = threading.Event(), []
def early():
    go.wait()
    try: socket.socket()
    except PermissionError: answers.append("refused")
before = threading.Thread(target=early); before.start()
confine(); go.set(); before.join()
after = threading.Thread(target=early); after.start(); after.join()
assert answers == ["refused", "refused"], answers
"""
    outcome = run((sys.executable, "-I", "-c", script), b"", tmp_path, threading.Event(), LIMITS)
    assert outcome.ending is Ending.DONE, outcome


def test_f8_no_new_privileges_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRS_SECRET_KEY", "do-not-show")
    monkeypatch.setenv("SRS_DATABASE_URL", "postgresql://secret")
    script = """
import os
print(open("/proc/self/status").read())
print(dict(os.environ))
print(os.listdir("/proc/self/fd"))
"""
    outcome = child(tmp_path, script)
    assert outcome.ending is Ending.DONE, outcome
    assert "NoNewPrivs:\t1" in outcome.detail
    assert "Seccomp:\t2" in outcome.detail
    assert "SRS_" not in outcome.detail
    assert "secret" not in outcome.detail
    assert "['0', '1', '2', '3']" in outcome.detail  # 3 is the listing itself


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "killed by SIGTERM"),
        ("raise ValueError('the tail of what it said')", "ValueError: the tail of what it said"),
        ("import os; os._exit(9)", "exit status 9"),
    ],
)
def test_a_child_that_ends_otherwise_is_a_crash_with_its_last_words(tmp_path: Path, script: str, seen: str) -> None:
    outcome = child(tmp_path, script)
    assert outcome.ending is Ending.CRASHED
    assert seen in outcome.detail


@pytest.mark.parametrize("fault", ["SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE"])
def test_a_fault_of_its_own_is_told_apart(tmp_path: Path, fault: str) -> None:
    outcome = child(
        tmp_path, f"import os, signal; print('last words', flush=True); os.kill(os.getpid(), signal.{fault})"
    )
    assert outcome == Outcome(Ending.FELL, f"{fault}\nlast words")


def test_a_child_that_says_so_is_too_costly(tmp_path: Path) -> None:
    outcome = child(tmp_path, f"import sys; print('no memory'); sys.exit({jail.TOO_COSTLY_STATUS})")
    assert outcome == Outcome(Ending.TOO_COSTLY, "no memory\n")


def test_of_endless_output_the_last_megabyte_is_kept(tmp_path: Path) -> None:
    megabytes = size(50, 10_000)
    outcome = child(
        tmp_path,
        f"import os\nfor _ in range({megabytes}): os.write(1, b'x' * (1 << 20))\nos.write(2, b'the end')",
        limits=Limits(cpu_s=60, wall_s=PATIENCE_S),
    )
    assert outcome.ending in (Ending.DONE, Ending.TOO_COSTLY if FULL else Ending.DONE)
    assert len(outcome.detail) <= jail.KEPT_OUTPUT_BYTES
    if outcome.ending is Ending.DONE:
        assert outcome.detail.endswith("the end")


@pytest.mark.parametrize("first", ["", "os.close(1); os.close(2)"], ids=["open", "output closed"])
def test_stop_ends_the_child_and_nothing_of_it_stays(tmp_path: Path, first: str) -> None:
    script = f"""
import os, time
{first}
open("own", "w").write(str(os.getpid()))
os.rename("own", "pid")
time.sleep(86400)
"""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(run, command(script), b"", tmp_path, stop, LIMITS)
        wait_for((tmp_path / "pid").exists, PATIENCE_S, "the child is there")
        stop.set()
        assert outcome.result() == Outcome(Ending.STOPPED)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_filter_is_made_for_both_architectures() -> None:
    for machine in ("x86_64", "aarch64"):
        program = filter_program(machine, 4242)
        assert len(program) % 8 == 0
        assert len(program) // 8 < 4096  # the kernel's limit
    with pytest.raises(OSError, match="riscv64"):
        filter_program("riscv64", 1)
    assert platform.machine() in ("x86_64", "aarch64")

"""What a judging child that was taken over reaches of an installation: its task's files, its folder, nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.sizes import FULL, record
from srs.server.worker import landlock

NOBODY = 65534
PARENT = """
import json, sys, threading
from pathlib import Path
from srs.server.worker import jail
from srs.server.worker.confine import shield
shield()
data = Path(sys.argv[1])
folder = data / "work" / "own"
folder.mkdir()
outcome = jail.run((sys.executable, "-I", "-c", sys.stdin.read()), b"", folder, threading.Event())
print(json.dumps([outcome.ending.value, outcome.detail]))
"""
"""A worker, with a secret in its environment, that judges in a folder of the installation."""
REFUSED = {
    "read the database": "open('../../srs.sqlite', 'rb').read()",
    "write the database": "open('../../srs.sqlite', 'r+b').write(b'x')",
    "make oneself staff": "sqlite3.connect('../../srs.sqlite').execute('update user set staff = 1')",
    "read the secret key": "open('../../secret_key').read()",
    "read the parent's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "read the parent's memory": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "write the parent's memory": "open(f'/proc/{os.getppid()}/mem', 'r+b')",
    "list the parent's files": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "the parent's folder": "open(f'/proc/{os.getppid()}/cwd/x')",
    "list the processes": "os.listdir('/proc')",
    "read another blob": "open('../../blobs/another', 'rb').read()",
    "list the blobs": "os.listdir('../../blobs')",
    "list the other judgements": "os.listdir('..')",
    "write its task's file": "open('../../blobs/task', 'r+b')",
    "empty its task's file": "os.truncate('../../blobs/task', 0)",
    "empty it by opening it": "os.open('../../blobs/task', os.O_RDONLY | os.O_TRUNC)",
    "remove it": "os.unlink('../../blobs/task')",
    "move it": "os.rename('../../blobs/task', 'mine')",
    "replace it": "os.rename('own', '../../blobs/task')",
    "link to it": "os.link('../../blobs/task', 'mine')",
    "link to the secret key": "os.symlink('../../secret_key', 'link')",
    "change its mode": "os.chmod('../../blobs/another', 0)",
    "change its own file's mode": "os.chmod('own', 0o777)",
    "change an owner": "os.chown('../../blobs/another', 0, 0)",
    "make it look old": "os.utime('../../blobs/another', (0, 0))",
    "an extended attribute": "os.setxattr('../../blobs/another', 'user.x', b'x')",
    "write beside it": "open('../../blobs/new', 'w')",
    "a folder elsewhere": "os.mkdir('../new')",
    "read the accounts of the machine": "open('/etc/passwd').read()",
    "the folder for temporary files": "open('/tmp/srs-test', 'w')",
    "shared memory": "open('/dev/shm/srs-test', 'w')",
    "shared memory of others": "call(29, 194, 1234, 4096, 0o1600)",
    "a device": "os.mknod('device', 0o60600, os.makedev(259, 0))",
    "a pipe": "os.mkfifo('pipe')",
    "the kernel's log": "call(103, 116, 3, 0, 0)",
    "a program to start later": "open('/usr/lib/python3/srs-test.pth', 'w')",
    "its own program": "open(json.__file__, 'r+')",
}
ALLOWED = {
    "read its task": "open('../../blobs/task').read()",
    "write its folder": "[open('own', 'w'), os.mkdir('folder'), os.rename('own', 'mine'), os.unlink('mine')]",
    "know itself": "open('/proc/self/status').readline()",
    "import a library": "__import__('polars').__name__",
    "time zones": "str(__import__('zoneinfo').ZoneInfo('Europe/Berlin'))",
    "throw something away": "open('/dev/null', 'w').write('x')",
}
CHILD = """
from pathlib import Path
from srs.server.worker.confine import confine
confine(readable=[Path("../../blobs/task")])
import ctypes, json, os, platform, sqlite3
def call(x86_64, aarch64, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(x86_64 if platform.machine() == "x86_64" else aarch64, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
open("own", "w").close()
answers = {}
for name, expression in TRIES.items():
    try:
        answers[name] = "done: " + repr(eval(expression))[:200]
    except (OSError, sqlite3.OperationalError) as error:
        answers[name] = "refused" if getattr(error, "errno", 1) in (1, 13, 18) else repr(error)
json.dump(answers, open("answers.json", "w"))
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """The data folder of an installation, where an ordinary user can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="srs-tests-"))
    folder.chmod(0o755)
    (folder / "blobs").mkdir()
    (folder / "work").mkdir()
    for name in ("secret_key", "blobs/task", "blobs/another"):
        (folder / name).write_text(f"what is in {name}")
    with sqlite3.connect(folder / "srs.sqlite") as connection:
        connection.execute("create table user (staff)")
    connection.close()
    yield folder
    shutil.rmtree(folder)


def answers(data: Path, user: int, tries: dict[str, str], before: str = "") -> dict[str, str]:
    """What becomes of each try in a child whose worker runs as this user, to whom the installation belongs."""
    for path in (data, *data.rglob("*")):
        os.chown(path, user, user)
    judged = subprocess.run(
        [sys.executable, "-I", "-c", PARENT, str(data)],
        input=f"TRIES = {tries!r}\n{before}{CHILD}".encode(),
        capture_output=True,
        env={"SECRET": "the secret", "PATH": os.defpath},
        user=user,
        cwd="/",
        check=False,
    )
    assert judged.returncode == 0, judged.stderr.decode()
    assert json.loads(judged.stdout)[0] == "done", judged.stdout.decode()
    found: dict[str, str] = json.loads((data / "work/own/answers.json").read_text())
    return found


@pytest.fixture(params=["root", "an ordinary user"])
def user(request: pytest.FixtureRequest) -> int:
    """Whom the worker runs as; who is not root can only be oneself."""
    if os.getuid() != 0:
        if request.param == "root":
            pytest.skip("only root can try it as root")
        return os.getuid()
    if request.param == "root":
        return 0
    reached = subprocess.run([sys.executable, "-I", "-c", "import srs.server"], user=NOBODY, cwd="/", check=False)
    if reached.returncode:
        pytest.skip("this checkout lies where no other user can read it")
    return NOBODY


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_it_reaches_its_task_and_nothing_else(data: Path, user: int) -> None:
    """F8: each try is refused by the kernel, also for root; what a judgement needs is allowed."""
    found = answers(data, user, REFUSED | ALLOWED)
    assert {name: found[name] for name in REFUSED} == dict.fromkeys(REFUSED, "refused")
    assert {name for name in ALLOWED if not found[name].startswith("done")} == set(), found
    assert (data / "blobs/task").read_text() == "what is in blobs/task"
    record("F8", len(REFUSED), note=f"ways to other data from the judging child as user {user}, all refused")


WITHOUT_LANDLOCK = """
from srs.server.worker import landlock
landlock.version = lambda: 0
"""
TO_THE_PARENT = ("read the parent's environment", "read the parent's memory", "write the parent's memory")


def test_its_parent_is_shielded_where_there_is_no_landlock(data: Path, user: int) -> None:
    """The parent's memory and environment stay closed by themselves."""
    tries = {name: REFUSED[name] for name in (*TO_THE_PARENT, "read the secret key")}
    found = answers(data, user, tries, before=WITHOUT_LANDLOCK)
    assert found.pop("read the secret key").startswith("done"), "Landlock was on"
    assert found == dict.fromkeys(TO_THE_PARENT, "refused")


OLD_KERNEL = """
import ctypes, errno, os, platform
from srs.server.worker import confine, landlock
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(confine.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
load, jump, give = 0x20, 0x15, 0x06
steps = [(load, 0, 0, 0), (jump, landlock.CREATE_RULESET, 0, 1), (give, 0x50000 | errno.ENOSYS, 0, 0)]
steps.append((give, 0x7FFF0000, 0, 0))
program = b"".join(confine._Step(code, operand, *jumps).packed() for code, operand, *jumps in steps)
confine._install(libc, program)
"""
"""A process whose kernel answers as one from before Landlock does."""


def test_an_older_kernel_has_no_landlock_and_the_worker_says_so(tmp_path: Path) -> None:
    """Every day: it is noticed, and a child is confined by all the rest. At full size a worker is started, too."""
    worker = "from srs.server.cli.main import main\nmain(['worker'])\n"
    child = "print('version', landlock.version())\nconfine.confine()\nprint(os.listdir('..') != [])\n"
    said = subprocess.run(
        [sys.executable, "-I", "-c", OLD_KERNEL + (worker if FULL else child)],
        env={"SRS_DATA": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if FULL:
        assert "This kernel has no Landlock" in said.stderr.decode(), said
    else:
        assert said.stdout == b"version 0\nTrue\n", said

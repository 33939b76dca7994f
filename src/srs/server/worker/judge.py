"""The child process that judges one job: a task on standard input, the result and its files in the working folder.

It confines itself before anything else; the heavy imports come after.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

from srs.server.worker.confine import confine
from srs.server.worker.jail import READABLE, TOO_COSTLY_STATUS, WORKER_PID


def main() -> int:
    """Judge; the exit status is 0, or ``TOO_COSTLY_STATUS`` where memory or file size met its limit."""
    confine(readable=[Path(name) for name in json.loads(Path(READABLE).read_bytes())])
    if os.environ.get(WORKER_PID) != str(os.getppid()):
        return 1  # the worker died before its death could be signalled
    try:
        judge_in(sys.stdin.buffer.read(), Path.cwd())
    except MemoryError:
        sys.stdout.write("no memory left\n")
        return TOO_COSTLY_STATUS
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        sys.stdout.write("a file grew past its limit\n")
        return TOO_COSTLY_STATUS
    return 0


def judge_in(task: bytes, folder: Path) -> None:
    """Do a task (JSON) and leave its result in ``folder``."""
    from srs.judging.task import TASK
    from srs.server.worker import results

    results.write(results.judge(TASK.validate_json(task), folder), folder)


if __name__ == "__main__":
    sys.exit(main())

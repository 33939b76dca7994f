"""The real judging child, but a file that begins with a mark does something first.

``#kill`` kills this process, ``#kill-worker`` its worker, ``#sleep 3`` waits for 3 seconds, each time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from srs.server.worker import judge


def first_line() -> list[bytes]:
    """The words of the file's first line."""
    path = json.loads(Path("task.json").read_bytes()).get("path")
    lines = Path(path).read_bytes()[:60].splitlines() if path else []
    return lines[0].split() if lines else []


def main() -> int:
    """Judge as the real child does; a sleeper sleeps when it is confined already."""
    match first_line():
        case [b"#kill"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case [b"#kill-worker"]:
            os.kill(os.getppid(), signal.SIGKILL)
        case [b"#sleep", seconds]:
            really_judge = judge.judge_in

            def sleep_first(task: bytes, folder: Path) -> None:
                time.sleep(float(seconds))
                really_judge(task, folder)

            judge.judge_in = sleep_first
    return judge.main()


if __name__ == "__main__":
    sys.exit(main())

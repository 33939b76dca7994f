"""A real worker whose judging child is ``marked_judge.py``: files with a mark do what a test wants."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from srs.server.bootstrap import open_server
from srs.server.config import read_config
from srs.server.worker import celery_worker

if __name__ == "__main__":
    judge = (sys.executable, "-I", str(Path(__file__).with_name("marked_judge.py")))
    server = replace(open_server(read_config()), judge=judge)
    sys.exit(celery_worker.serve(server, int(sys.argv[sys.argv.index("-c") + 1])))

"""Judging in this process, for tests that need the numbers and no worker: the numbers are the same as in a jail."""

from __future__ import annotations

import tempfile
from pathlib import Path

from srs.server.services import evaluations, jobs
from srs.server.store.engine import Store
from srs.server.worker import results, work


def judge_all(store: Store) -> list[results.Result]:
    """Every waiting job, one after the other; what came of each."""
    done = []
    while claim := jobs.claim_next(store, "a test", 60.0):
        with tempfile.TemporaryDirectory() as folder:
            result = results.judge(evaluations.load_task(store, claim), Path(folder))
            assert work.finish(store, claim, result, Path(folder))
            done.append(result)
    return done

"""Judging in this process, for tests that need the numbers and no worker: the numbers are the same as in a jail."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import assert_never

from srs.judging.attack import AttackVerdict
from srs.judging.bundle import Bundle
from srs.judging.defence import Verdict
from srs.lab.house import House
from srs.server.services import evaluations, jobs
from srs.server.store.engine import Store
from srs.server.store.jobs import PRACTICE
from srs.server.worker import results


def judge_all(store: Store) -> list[results.Result]:
    """Every waiting job, one after the other; what came of each."""
    done = []
    while claim := jobs.claim_next(store, "a test", 60.0):
        with tempfile.TemporaryDirectory() as folder:
            result = results.judge(evaluations.load_task(store, claim), Path(folder))
            assert _finish(store, claim, result, Path(folder))
            done.append(result)
    return done


def _finish(store: Store, claim: jobs.Claim, result: results.Result, folder: Path) -> bool:
    match result:
        case Verdict():
            return evaluations.finish_defence(store, claim, result, folder)
        case AttackVerdict() if claim.kind == PRACTICE:
            return evaluations.finish_practice(store, claim, result)
        case AttackVerdict():
            return evaluations.finish_attack(store, claim, result)
        case Bundle():
            return evaluations.finish_bundle(store, claim, result, folder)
        case House():
            return evaluations.finish_house(store, claim, result, folder)
        case _:
            assert_never(result)

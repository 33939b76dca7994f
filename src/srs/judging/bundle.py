"""The files of one match: its test set and what explains it to the attacker, and the sealed key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srs.judging.key import MatchKey, write_key
from srs.judging.task import BundleTask
from srs.traces.bundles import describe_file, read_pool, write_manifest, write_test
from srs.traces.split import choose_evenly

KEY = "key.parquet"


@dataclass(frozen=True)
class Bundle:
    """``files`` are those to hand out beside the training set, by name; ``labels`` is the sealed key.

    All are names within the folder of the judgement.
    """

    files: dict[str, str]
    labels: str


def prepare_bundle(task: BundleTask, folder: Path) -> Bundle:
    """Draw the test set of a match from the pool of its defence, and write its files into ``folder``.

    The public part takes from each class as equally many traces as possible.
    """
    pool = read_pool(task.pool)
    chosen = choose_evenly(pool.class_of_trace, len(task.capture_ids), task.order_seed)
    classes = pool.class_of_trace[chosen]
    public_count = round(task.rules.split.public_share * len(chosen))
    is_public = np.zeros(len(chosen), dtype=np.bool_)
    is_public[choose_evenly(classes, public_count, task.order_seed)] = True
    ids = np.array(task.capture_ids, dtype=np.int64)
    write_key(MatchKey(task.team_id, ids, classes.astype(np.int64), is_public), folder / KEY)
    files = write_test(pool, chosen, task.team_id, task.capture_ids, folder)
    described = {**task.train_files, **{name: describe_file(folder / path) for name, path in files.items()}}
    about = write_manifest(task.rules, task.race, task.round_number, task.team_id, described, folder)
    return Bundle({**files, **about}, KEY)

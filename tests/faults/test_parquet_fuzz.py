"""Parquet files damaged at random, judged by the real reader in real processes: each gets a verdict.

A file that ends its reader ends a child that reads many (so that five minutes try thousands); those few are then judged
as the worker judges: in the jail, where the end of the child is a verdict, too.
"""

from __future__ import annotations

import io
import random
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import polars as pl
import pytest

from fixtures.commands import ABORTS
from fixtures.reference import REAL_TRACES
from fixtures.sizes import FULL, record, size
from srs.game.race import RaceRules
from srs.judging.ended import fault
from srs.judging.task import DefenceTask
from srs.lab.simulate import simulate
from srs.server.bootstrap import JUDGE
from srs.server.worker import jail, results
from srs.server.worker.jail import Ending

SECONDS = size(0, 300)
AT_ONCE = size(10, 50)
RULES = RaceRules(slug="fuzz", title="Fuzz", rounds=())
READER = """
import sys
from pathlib import Path
from srs.game.race import RaceRules
from srs.judging.defence import check_defence
rules = RaceRules(slug="fuzz", title="Fuzz", rounds=())
for path in map(Path, sys.argv[1:]):
    print(path.name, flush=True)
    verdict = check_defence(path, path.name, rules)
    assert verdict.accepted or verdict.report.problems
"""
"""Names each file before it reads it, so that the last name is the one that ended it."""


def originals() -> list[bytes]:
    """Real captures where they are, and simulated ones; as several writers write them."""
    tables = [simulate(5, 3, seed=1)]
    if FULL and REAL_TRACES.exists():
        with zipfile.ZipFile(REAL_TRACES) as archive:
            tables.append(pl.read_csv(archive.read(archive.namelist()[0])).head(20_000))
    written = [ABORTS.read_bytes()]
    for table in tables:
        for compression in ("zstd", "snappy", "uncompressed"):
            buffer = io.BytesIO()
            table.write_parquet(buffer, compression=compression, row_group_size=500)
            written.append(buffer.getvalue())
    return written


def damage(data: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, most often in the last kilobyte or the first, where lengths and offsets stand."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        near = dice.choice((64, 1024, len(changed)))
        place = dice.randrange(min(near, len(changed)))
        if dice.random() < 0.5:
            place = len(changed) - 1 - place
        changed[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    if dice.random() < 0.1:
        del changed[dice.randrange(len(changed)) :]
    return bytes(changed)


def ended_by(paths: list[Path]) -> list[tuple[Path, str]]:
    """Read all; the files that ended their reader, each with how."""
    left, found = list(paths), []
    while left:
        command = [sys.executable, "-I", "-c", READER, *map(str, left)]
        child = subprocess.run(command, capture_output=True, check=False, timeout=600)
        if child.returncode == 0:
            break
        last = len(child.stdout.splitlines()) - 1
        found.append((left[last], fault(child.returncode) or child.stderr.decode()[-2000:]))
        left = left[last + 1 :]
    return found


def verdict_on(path: Path, folder: Path) -> str:
    """How the worker's jail ends with a file, and what comes of it."""
    folder.mkdir()
    task = DefenceTask(path=path, name=path.name, rules=RULES, split_secret=b"secret", published=[])
    outcome = jail.run(JUDGE, task.model_dump_json().encode(), folder, threading.Event(), readable=task.files())
    if outcome.ending is Ending.DONE:
        results.read(task, folder)
    return outcome.ending.value


@pytest.mark.parametrize("seed", [1] if not FULL else [time.time_ns()])
def test_f4_damaged_parquet_gets_a_verdict(tmp_path: Path, seed: int) -> None:
    """F4: no exception, no end that is not a verdict; what ends its reader does so again in the jail."""
    dice = random.Random(seed)
    files = originals()
    deadline = time.monotonic() + SECONDS
    tried, fallen, wrong = 0, 0, []
    while not tried or time.monotonic() < deadline:
        paths = [tmp_path / f"{tried + number}.parquet" for number in range(AT_ONCE)]
        for path in paths:
            path.write_bytes(damage(dice.choice(files), dice))
        for path, how in ended_by(paths):
            fallen += 1
            ending = verdict_on(path, tmp_path / f"judged-{path.stem}")
            if ending not in ("done", "fell", "too costly"):
                wrong.append(f"{path.name} ({seed=}): {ending} in the jail; {how}")
        tried += AT_ONCE
        for path in paths:
            path.unlink()
    record("F4", tried, len(wrong), note=f"Parquet damaged at random; {fallen} ended their reader, each judged")
    assert wrong == []

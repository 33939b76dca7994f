"""R13: a score does not depend on who computed it, beside whom, or under which hash seed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from faults.plant import GENEROUS, make_race, pending, scores, send_many, small_defence, wait_for, workers_of
from fixtures.sizes import FULL, record, size
from srs.game.race import read_rules
from srs.judging.task import DefenceTask
from srs.server.bootstrap import JUDGE
from srs.server.config import Config
from srs.server.store.engine import Store
from srs.server.worker import jail
from srs.server.worker.jail import Ending


def test_r13_twenty_hash_seeds(tmp_path: Path) -> None:
    """R13: every child has a hash seed of its own; result and files are the same to the last byte."""
    (tmp_path / "defence.csv").write_bytes(small_defence(1))
    task = DefenceTask(
        path=tmp_path / "defence.csv",
        name="defence.csv",
        rules=read_rules(GENEROUS),
        split_secret=b"s" * 32,
        published=[],
    )
    seen: set[tuple[tuple[str, bytes], ...]] = set()
    tries = size(2, 20)
    for number in range(tries):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = jail.run(JUDGE, task.model_dump_json().encode(), folder, threading.Event(), readable=task.files())
        assert outcome.ending is Ending.DONE, outcome
        seen.add(tuple(sorted((path.name, path.read_bytes()) for path in folder.iterdir())))
    assert len(seen) == 1
    record("R13", tries, note="children with hash seeds of their own")


def test_a_child_has_a_hash_seed_of_its_own(tmp_path: Path) -> None:
    command = (sys.executable, "-I", "-c", "print(hash('a text'))")
    said = {jail.run(command, b"", tmp_path, threading.Event()).detail for _ in range(3)}
    assert len(said) == 3


@pytest.fixture
def store(sqlite_config: Config, redis_server: str) -> Iterator[Store]:
    opened = Store(sqlite_config)
    yield opened
    opened.close()


@pytest.mark.skipif(not FULL, reason="every day children with hash seeds of their own judge one file")
def test_r13_one_or_eight_workers(store: Store, sqlite_config: Config, redis_server: str, tmp_path: Path) -> None:
    """R13: the same files, judged one after the other and eight at once."""
    race, files = make_race(store), 40
    send_many(race, files)
    for number, concurrency in enumerate((1, 8)):
        config = replace(sqlite_config, broker_url=redis_server, sweep_s=0.3)
        with workers_of(config, tmp_path / str(number)) as workers:
            workers.start(concurrency)
            wait_for(lambda: not pending(store), 300, "all is judged")
        if concurrency == 1:
            by_one = scores(store)
            again = [race.ada, race.cleo]
            for index in range(files):
                race.send(again[index % 2], "defence", small_defence(index), f"once-more-{index}")
    by_all = scores(store)
    ids = sorted(by_one)
    assert len(by_all) == 2 * files
    assert [by_all[submission + files] for submission in ids] == [by_one[submission] for submission in ids]
    record("R13", files, note="files, by 1 worker and by 8")

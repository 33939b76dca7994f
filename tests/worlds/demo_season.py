"""One season of the demo, played by real workers, shared by the tests of this folder."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from fixtures.databases import make_config
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.cli.season import Season
from srs.server.store.engine import Store
from srs.server.store.migrations import migrate
from srs.server.worker.tend import tend_until
from srs.server.worker.work import Shutdown, work_until


@dataclass(frozen=True)
class Played:
    """A played season: its installation, its people by name, what it said, what came out."""

    server: Server
    people: dict[str, int]
    said: list[str]
    result: dict[str, object]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The season of ``srs-server demo``, played by two workers in threads."""
    data: Path = tmp_path_factory.mktemp("season")
    config = make_config(data, f"sqlite:///{data / 'srs.sqlite'}")
    migrate(config)
    server = Server(config, Store(config), SilentBell())
    shutdown = Shutdown()
    threads = [Thread(target=work_until, args=(server, f"worker-{index}", shutdown)) for index in range(2)]
    threads.append(Thread(target=tend_until, args=(server, shutdown.asked)))
    for thread in threads:
        thread.start()
    try:
        said: list[str] = []
        season = Season(server.store, server.bell, said.append, dt.datetime.now(dt.UTC))
        people = season.prepare()
        season.play()
        result = json.loads(json.dumps(season.result()))
    finally:
        shutdown.ask()
        for thread in threads:
            thread.join(60)
    yield Played(server, people, said, result)
    server.close()

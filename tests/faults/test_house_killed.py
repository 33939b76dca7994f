"""The house's worker is killed while it makes a practice match: real PostgreSQL, Redis and workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from faults.plant import make_race, wait_for, workers_of
from fixtures.sizes import FULL, record
from srs.server.config import Config
from srs.server.store.engine import Store
from srs.server.store.jobs import ACCEPTED, HOUSE, RUNNING, Job
from srs.server.store.practice import Practice


def house(store: Store) -> Job | None:
    with store.read() as session:
        return session.scalar(select(Job).where(Job.kind == HOUSE))


def is_in(store: Store, state: str, attempt: int) -> bool:
    job = house(store)
    return job is not None and (job.state, job.attempt >= attempt) == (state, True)


@pytest.fixture
def site(postgres_config: Config, redis_server: str) -> Config:
    return replace(postgres_config, broker_url=redis_server, lease_s=2.0, sweep_s=0.3, crashes_max=1000)


@pytest.mark.skipif(not FULL, reason="every day workers are killed that judge a file (R1)")
def test_the_practice_match_is_made_by_whoever_comes_next(site: Config, tmp_path: Path) -> None:
    """Killed with -9 in the middle, again and again: one practice match in the end, whole."""
    kills = 20
    store = Store(site)
    make_race(store)
    with workers_of(site, tmp_path / "workers") as workers:
        for attempt in range(1, kills + 1):
            worker = workers.start()
            wait_for(lambda attempt=attempt: is_in(store, RUNNING, attempt), 60, "it is judged again")
            workers.kill(worker)
        workers.start()
        wait_for(lambda: is_in(store, ACCEPTED, 1), 90, "it is made")
    with store.read() as session:
        made = session.scalars(select(Practice)).all()
    record("house", kills, 1 - min(1, len(made)), max(0, len(made) - 1), "practice matches whose worker was killed")
    assert len(made) == 1
    assert all(store.blobs.path(file["sha256"]).stat().st_size for file in made[0].files.values())
    store.close()

"""R6 and what follows from it: a disk that is full, read-only or missing is nobody's crash, and loses no file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from faults.plant import all_jobs, lost_and_doubled, make_race, pending, send_many, small_defence, wait_for, workers_of
from fixtures.clients import Browser, text_of
from fixtures.databases import Templates, make_config
from fixtures.disks import TROUBLES, Disk, Trouble, small_disk
from fixtures.live import Visitor, running_server
from fixtures.sizes import FULL, promised, record, size
from srs.errors import Unavailable
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.store.engine import Store
from srs.server.worker.work import Shutdown, work_once
from worlds.small_race import SLUG, SmallRace

SAID = {
    "full": "The server has no room for files",
    "read-only": "The server cannot write files",
    "missing": "The server cannot reach its files",
}


@pytest.fixture
def world_name() -> str:
    """The race has rules of its own."""
    return "empty"


@pytest.fixture
def site(postgres_config: Config) -> Config:
    """The files lie on the small disk, the database does not."""
    return replace(postgres_config, lease_s=60.0, disk_reserve_mb=1.0)


@pytest.fixture
def disk(site: Config, tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", site.data) as mounted:
        yield mounted


@pytest.fixture
def race(site: Config, disk: Disk) -> Iterator[SmallRace]:
    store = Store(site)
    yield make_race(store)
    store.close()


def states(store: Store) -> set[tuple[str, int, str]]:
    """State, counted crashes and last words of every job."""
    return {(job.state, job.crashes, job.trouble) for job in all_jobs(store)}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_r6_uploads_are_refused_and_nothing_is_claimed(
    race: SmallRace, site: Config, disk: Disk, shared_app: Flask, trouble: Trouble
) -> None:
    """With a sentence and Retry-After; pages still read, and nothing is left of what was refused."""
    server = Server(site, race.store, SilentBell())
    send_many(race, 1)
    [path] = (path for path in race.store.blobs.root.rglob("*") if path.is_file())
    shared_app.extensions["srs"] = server
    ada = Browser(shared_app).sign_in(race.ada)
    sent = ada.upload(SLUG, "defence", path.read_bytes()).headers["Location"]
    disk.begin(trouble)
    refused = ada.upload(SLUG, "defence", small_defence(1))
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert SAID[trouble] in text_of(refused)
    assert [ada.get(page).status_code for page in (f"/races/{SLUG}/defence", sent)] == [200, 200]
    assert ada.get(f"{sent}/file").status_code == (503 if trouble == "missing" else 200)
    with pytest.raises(Unavailable, match=SAID[trouble]):
        work_once(server, "me", Shutdown())
    disk.end(trouble)
    assert [path for path in race.store.blobs.root.rglob("*") if path.is_file()] == [path]
    assert ada.upload(SLUG, "defence", small_defence(1)).status_code == 303
    assert {(job.state, job.attempt) for job in all_jobs(race.store)} == {("queued", 0)}


@pytest.mark.parametrize("worker", ["local", "Celery"] if FULL else ["local"])
@pytest.mark.parametrize("trouble", TROUBLES if FULL else ["missing"])
def test_jobs_wait_until_the_disk_is_back(
    race: SmallRace,
    site: Config,
    disk: Disk,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    trouble: Trouble,
    worker: str,
) -> None:
    """None is parked, no crash is counted, and nobody has to start anything anew."""
    store, jobs = race.store, size(1, 8)
    send_many(race, jobs)
    disk.begin(trouble)
    broker_url = request.getfixturevalue("redis_server") if worker == "Celery" else ""
    with workers_of(replace(site, broker_url=broker_url), tmp_path / "workers") as workers:
        if worker == "local":
            workers.start_alone()
        else:
            workers.start(concurrency=2)
        wait_for(lambda: workers.said("no work for a moment") >= size(1, 4), 60, "it looks again")
        assert states(store) == {("queued", 0, "")}
        disk.end(trouble)
        wait_for(lambda: not pending(store), 120, "all is judged")
    assert states(store) == {("accepted", 1, "")}
    lost, doubled = lost_and_doubled(store, jobs)
    record("R6", jobs, lost, doubled, f"disk {trouble}, {worker} worker")
    assert (lost, doubled) == (0, 0)


def test_a_reserve_is_kept(race: SmallRace, site: Config, disk: Disk) -> None:
    """Nothing new is begun while less is free, though it could be written."""
    disk.fill(leave_bytes=900_000)
    store = race.store
    assert store.blobs.put(b"what is under way may end")
    with pytest.raises(Unavailable, match="no room"):
        race.send(race.ada, "defence", b"x", "refused-upload")
    with pytest.raises(Unavailable, match="no room"):
        work_once(Server(site, store, SilentBell()), "me", Shutdown())


@pytest.mark.skipif(not FULL, reason="every day a disk is missing while a worker looks for work")
@pytest.mark.parametrize("left_bytes", [0, 6 << 12, 14 << 12])
def test_a_disk_that_fills_up_during_a_judgement_is_nobodys_crash(
    race: SmallRace, site: Config, disk: Disk, tmp_path: Path, left_bytes: int
) -> None:
    """The judging child cannot write its results: that is our trouble, and tried again until it can."""
    send_many(race, 1)
    without_reserve = replace(site, disk_reserve_mb=0.0)
    disk.fill(left_bytes)
    with workers_of(without_reserve, tmp_path / "workers") as workers:
        workers.start_alone()
        wait_for(lambda: workers.said("given back") >= 4, 120, "it tries again")
        assert all_jobs(race.store)[0].state in ("queued", "running")
        disk.end("full")
        wait_for(lambda: not pending(race.store), 120, "it is judged")
    assert states(race.store) == {("accepted", 1, "")}
    assert all_jobs(race.store)[0].attempt > 1


def test_files_never_go_under_the_place_of_a_missing_disk(race: SmallRace, site: Config, disk: Disk) -> None:
    """A process that starts without it makes no new folders there, where they would lie hidden when it is back."""
    send_many(race, 1)
    disk.begin("missing")
    started = Store(site)
    with pytest.raises(Unavailable, match="cannot reach its files"):
        started.blobs.put(b"to be hidden")
    started.close()
    assert list(site.data.iterdir()) == []
    disk.end("missing")
    race.store.blobs.put(b"to be seen")


@pytest.mark.skipif(not FULL, reason="every day the parts are looked at one by one")
def test_a_whole_site_whose_database_lies_on_the_full_disk(sqlite_templates: Templates, tmp_path: Path) -> None:
    """R6 on SQLite, through HTTP: refused within the second, pages read, and all goes on when there is room."""
    data = tmp_path / "data"
    with small_disk(tmp_path / "disk", data) as disk:
        database_url = f"sqlite:///{shutil.copy(sqlite_templates.of('empty').database, data / 'srs.sqlite')}"
        store = Store(make_config(data, database_url))
        race = make_race(store)
        with running_server(data, database_url) as base_url:
            ada = Visitor(base_url).sign_in(store, race.ada)
            form = ada.page(f"/races/{SLUG}/defence")
            disk.fill()
            began = time.monotonic()
            refused = ada.fill_in(form, "/defence", file=("traces.csv", small_defence(1)))
            took_s = time.monotonic() - began
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) > 0
            assert took_s <= promised(1.0)
            ada.page(f"/races/{SLUG}/defence")
            disk.end("full")
            assert ada.verdict(ada.send(SLUG, "defence", small_defence(1), "traces.csv")) == "accepted"
            ada.client.close()
        assert states(store) == {("accepted", 1, "")}
        store.close()
    record("R6", 1, note=f"a site on SQLite, refused after {took_s:.2f} s")

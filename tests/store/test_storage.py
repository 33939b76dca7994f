"""Backup and restore: from either database into either, everything or nothing, never over what is there."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, inspect, select

from fixtures.databases import FEWER, make_config
from fixtures.servers import Postgres
from srs.errors import FileError, InputError, NotFound, SrsError, StateError, Unavailable
from srs.server.bell import SilentBell
from srs.server.config import Config
from srs.server.services import sign_in, storage, submissions
from srs.server.store import jobs
from srs.server.store.dump import dump_table, snapshot, tables
from srs.server.store.engine import Store, database_now
from srs.server.store.matches import Match
from srs.server.store.submissions import DEFENCE, Submission
from worlds.small_race import SmallRace


def everything(store: Store) -> dict[str, list[str]]:
    with snapshot(store) as session:
        return {table.name: list(dump_table(session, table)) for table in tables()}


@pytest.fixture
def race(race: SmallRace) -> SmallRace:
    """Both teams have sent a file."""
    race.send(race.ada, "defence", b"one file", "the-first-key")
    race.send(race.cleo, "defence", b"another file", "the-second-key")
    return race


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Config:
    """An empty place to restore into, not even migrated."""
    data = tmp_path / "other"
    if request.param == "sqlite":
        return make_config(data, f"sqlite:///{data / 'srs.sqlite'}")
    return make_config(data, postgres.url(postgres.create()))


@pytest.fixture
def taken(race: SmallRace, config: Config, tmp_path: Path) -> Path:
    path = tmp_path / "taken.tar"
    storage.backup(race.store, config, path)
    return path


def rewritten(path: Path, change: dict[str, bytes | None]) -> Path:
    """A copy of a backup with other contents for some members (``None``: without it)."""
    copy = path.with_name("rewritten.tar")
    with tarfile.open(path) as source, tarfile.open(copy, "w") as target:
        for member in source:
            file = source.extractfile(member)
            assert file is not None
            data = change.get(member.name, file.read())
            if data is not None:
                member.size = len(data)
                target.addfile(member, io.BytesIO(data))
    return copy


def test_every_row_and_every_blob_comes_back(race: SmallRace, config: Config, other: Config, tmp_path: Path) -> None:
    """R11's heart: from either database into either."""
    path = tmp_path / "backup.tar"
    written = storage.backup(race.store, config, path)
    assert path.stat().st_mode & 0o077 == 0
    restored = storage.restore(other, path)
    assert (restored.rows, restored.blobs) == (written.rows, written.blobs)
    assert written.blobs == 2
    again = Store(other)
    try:
        assert everything(again) == everything(race.store)
        with again.read() as session:
            names = session.scalars(select(Submission.sha256).order_by(Submission.id)).all()
            contents = [again.blobs.path(name).read_bytes() for name in names]
        assert contents == [b"one file", b"another file"]
        sign_in.add_user(again, "new@example.org")  # numbers go on after the restored ones
    finally:
        again.close()


def test_a_backup_sees_one_moment(race: SmallRace, config: Config, tmp_path: Path) -> None:
    """Rows that are written while a backup is taken are in it wholly or not at all."""
    wrote, stop = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            race.send(race.ada if number % 2 else race.cleo, "defence", b"x%d" % number, f"live-key-{number}")
            with race.store.work() as session:  # makes room in the day's quota
                for job in session.scalars(select(jobs.Job).where(jobs.Job.state == jobs.QUEUED)):
                    job.state, job.finished_at = jobs.PARKED, database_now(session)
                    job.submission.received_at -= dt.timedelta(days=2)  # type: ignore[union-attr]
            wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            wrote.clear()
            assert wrote.wait(60)
            path = tmp_path / f"{number}.tar"
            storage.backup(race.store, config, path)
            with tarfile.open(path) as archive:
                rows = {
                    name: [json.loads(line) for line in archive.extractfile(f"tables/{name}.jsonl")]  # type: ignore[union-attr]
                    for name in ("submission", "job")
                }
                blobs = {name.removeprefix("blobs/") for name in archive.getnames() if name.startswith("blobs/")}
            assert {row["id"] for row in rows["submission"]} == {row["submission_id"] for row in rows["job"]}
            assert {row["sha256"] for row in rows["submission"]} == blobs
    finally:
        stop.set()
        writer.join()


def test_nothing_is_restored_over_something(taken: Path, config: Config, race: SmallRace) -> None:
    before = everything(race.store)
    with pytest.raises(StateError, match="has data already"):
        storage.restore(config, taken)
    assert everything(race.store) == before


@pytest.mark.parametrize("config", FEWER, indirect=True)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("blob", "has changed"),
        ("no blob", "files that it should hold are missing"),
        ("table", "its table user has changed"),
        ("no table", "tables/user.jsonl is missing"),
        ("manifest", "its manifest cannot be read"),
        ("version", "made by a later version"),
        ("half", "not a whole backup"),
        ("text", "not a whole backup"),
        ("absent", "There is no file"),
    ],
)
def test_a_damaged_backup_changes_nothing(
    taken: Path, sqlite_config: Config, tmp_path: Path, damage: str, said: str
) -> None:
    with tarfile.open(taken) as archive:
        blob = next(name for name in archive.getnames() if name.startswith("blobs/"))
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    damages: dict[str, dict[str, bytes | None]] = {
        "blob": {blob: b"something else"},
        "no blob": {blob: None},
        "table": {"tables/user.jsonl": b""},
        "no table": {"tables/user.jsonl": None},
        "manifest": {"manifest.json": b"{}"},
        "version": {"manifest.json": json.dumps({**manifest, "revision": "0000"}).encode()},
    }
    if damage in damages:
        path = rewritten(taken, damages[damage])
    else:
        path = tmp_path / "damaged.tar"
        if damage != "absent":
            whole = taken.read_bytes()
            path.write_bytes(whole[: len(whole) // 2] if damage == "half" else b"hello")
    empty = replace(sqlite_config, data=tmp_path / "empty", database_url=f"sqlite:///{tmp_path}/empty/srs.sqlite")
    with pytest.raises(FileError, match=said):
        storage.restore(empty, path)
    fresh = Store(empty)
    if inspect(fresh.engine).get_table_names():
        assert not any(everything(fresh).values())
    fresh.close()


def test_the_key_that_is_kept_in_the_data_folder_travels(race: SmallRace, config: Config, tmp_path: Path) -> None:
    """Passwords are hashed under it, so without it nobody could sign in after a restore."""
    (config.data / "secret_key").write_text(config.secret_key)
    storage.backup(race.store, config, tmp_path / "with-key.tar")
    data = tmp_path / "fresh"
    data.mkdir()
    (data / "secret_key").write_text("made at the first start of the new installation")
    fresh = replace(
        config,
        data=data,
        database_url=f"sqlite:///{data / 'srs.sqlite'}",
        secret_key="made at the first start of the new installation",
    )
    storage.restore(fresh, tmp_path / "with-key.tar")
    assert (data / "secret_key").read_text() == config.secret_key


def test_a_backup_never_overwrites_and_leaves_no_part(race: SmallRace, config: Config, tmp_path: Path) -> None:
    (tmp_path / "mine.tar").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        storage.backup(race.store, config, tmp_path / "mine.tar")
    with pytest.raises(FileError, match="cannot be written"):
        storage.backup(race.store, config, tmp_path / "nowhere" / "backup.tar")
    with race.store.read() as session:
        sha256 = session.scalars(select(Submission.sha256)).first()
    assert sha256 is not None
    race.store.blobs.path(sha256).unlink()
    with pytest.raises(NotFound):
        storage.backup(race.store, config, tmp_path / "torn.tar")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["mine.tar"]


def test_the_sweep_takes_old_orphans_only(race: SmallRace) -> None:
    """R4: an orphan blob is gone after an hour, one that a row names stays for good."""
    store = race.store
    orphan, young = store.blobs.put(b"an orphan"), store.blobs.put(b"a young orphan")
    with store.read() as session:
        named = list(session.scalars(select(Submission.sha256)))
    long_ago = time.time() - 3700
    for sha256 in [*named, orphan.sha256]:
        os.utime(store.blobs.path(sha256), (long_ago, long_ago))
    assert storage.sweep_blobs(store) == 1
    for sha256 in [*named, young.sha256]:
        assert store.blobs.path(sha256).exists()
    with pytest.raises(NotFound):
        store.blobs.path(orphan.sha256)


def test_a_file_is_not_swept_while_a_row_begins_to_name_it(race: SmallRace) -> None:
    """Even where the clock of the disk has leapt between the two, so that the file seems old."""
    store = race.store
    blob = store.blobs.put(b"named at last")
    os.utime(store.blobs.path(blob.sha256), (0, 0))
    upload = submissions.open_upload(store, race.ada, race.people.slug, DEFENCE)
    outcomes: list[int | SrsError] = []

    def sweep() -> None:
        try:
            outcomes.append(storage.sweep_blobs(store))
        except SrsError as error:
            outcomes.append(error)

    sweeper = threading.Thread(target=sweep)

    @event.listens_for(store.engine, "commit")
    def sweep_before(_connection: object) -> None:
        if not sweeper.ident:
            sweeper.start()
            sweeper.join(0.3)  # the old way to sweep is done by then; who waits for us cannot be

    submissions.receive(store, SilentBell(), upload, blob, "file.csv", "the-third-key")
    sweeper.join()
    assert store.blobs.path(blob.sha256).read_bytes() == b"named at last"
    assert outcomes == [0] or isinstance(outcomes[0], Unavailable)


def test_a_file_that_is_gone_is_not_named(race: SmallRace) -> None:
    store = race.store
    upload = submissions.open_upload(store, race.ada, race.people.slug, DEFENCE)
    blob = store.blobs.put(b"swept on the way")
    before = everything(store)
    os.utime(store.blobs.path(blob.sha256), (0, 0))
    assert storage.sweep_blobs(store) == 1
    with pytest.raises(Unavailable, match="was removed before it was written down"):
        submissions.receive(store, SilentBell(), upload, blob, "file.csv", "the-third-key")
    assert everything(store) == before


@pytest.mark.parametrize("config", ["postgresql"], indirect=True)
def test_the_sweep_waits_for_nobody_long(race: SmallRace, config: Config) -> None:
    """Where others write without a pause it gives up. (SQLite has one writer: the sweep takes its turn.)"""
    store = race.store
    orphan = store.blobs.put(b"an orphan")
    os.utime(store.blobs.path(orphan.sha256), (0, 0))
    other = Store(config)
    with other.work() as session:
        session.execute(select(Submission.id))
        with pytest.raises(Unavailable, match="without a pause"):
            storage.sweep_blobs(store)
    other.close()
    assert storage.sweep_blobs(store) == 1


def test_files_of_matches_and_scores_are_referred_to(race: SmallRace) -> None:
    store = race.store
    with store.work() as session:
        first, second = session.scalars(select(Submission).where(Submission.kind == DEFENCE).order_by(Submission.id))
        session.add(
            Match(
                race_id=first.race_id,
                round_id=first.round_id,
                attacker_id=first.team_id,
                defender_id=second.team_id,
                defence_id=second.id,
                order_seed=b"seed",
                first_capture=0,
                files={"test.parquet": {"sha256": store.blobs.put(b"test").sha256, "size_bytes": 4}},
                labels_sha256=store.blobs.put(b"labels").sha256,
            )
        )
    for path in store.blobs.root.glob("*/*"):
        os.utime(path, (0, 0))
    assert storage.sweep_blobs(store) == 0

"""Backup and restore: from either database into either, everything or nothing, never over what is there."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, select

from fixtures.databases import FEWER, SECRET, make_config
from fixtures.servers import Postgres
from srs.errors import FileError, InputError, NotFound, SrsError, StateError, Unavailable
from srs.server.bell import SilentBell
from srs.server.config import Config, keep_key
from srs.server.services import restoring, sign_in, storage, submissions
from srs.server.store import jobs
from srs.server.store.dump import dump_table, snapshot, tables
from srs.server.store.engine import Store, database_now
from srs.server.store.matches import Match
from srs.server.store.submissions import DEFENCE, Submission
from worlds.small_race import SmallRace

FRESH_KEY = "made-at-the-first-start-of-a-new-installation"


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
    """A backup of an installation that keeps its secret key itself."""
    path = tmp_path / "taken.tar"
    (config.data / "secret_key").write_text(config.secret_key)
    storage.backup(race.store, config, path)
    return path


def rewritten(path: Path, change: dict[str, bytes | None]) -> Path:
    """A copy of a backup with other contents for some members (``None``: without it)."""
    copy = path.with_name(f"{path.stem}-rewritten.tar")
    with tarfile.open(path) as source, tarfile.open(copy, "w") as target:
        contents = {member.name: source.extractfile(member).read() for member in source}  # type: ignore[union-attr]
        for name, data in {**contents, **change}.items():
            if data is not None:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                target.addfile(member, io.BytesIO(data))
    return copy


def sealed(manifest: dict[str, Any], change: dict[str, bytes]) -> dict[str, bytes | None]:
    """The same change with a manifest that agrees."""
    members = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)} for name, data in change.items()
    }
    key = members.get("secret_key", {"sha256": manifest["key_sha256"]})
    fresh = {**manifest, "members": manifest["members"] | members, "key_sha256": key["sha256"]}
    return {**change, "manifest.json": json.dumps(fresh).encode()}


def test_every_row_and_every_blob_comes_back(race: SmallRace, config: Config, other: Config, tmp_path: Path) -> None:
    """R11's heart: from either database into either."""
    path = tmp_path / "backup.tar"
    written = storage.backup(race.store, config, path)
    assert path.stat().st_mode & 0o077 == 0
    restored = restoring.restore(other, path)
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
        restoring.restore(config, taken)
    assert everything(race.store) == before


NOT_WHOLE = "This is not a whole backup: "
DAMAGES = {
    "blob": "has changed",
    "no blob": "is missing",
    "table": "tables/user.jsonl has changed",
    "no table": "tables/user.jsonl is missing",
    "lines": "its table user cannot be read",
    "rows": "its table user has 0 rows, which its manifest denies",
    "key": "secret_key has changed",
    "no key": "secret_key is missing",
    "weak key": "its secret key is none that a server accepts",
    "no text": "its secret key is not text",
    "two keys": "its manifest names two secret keys",
    "stranger": "its manifest does not know a-stranger",
    "unnamed blob": "1 files that it should hold are missing",
    "empty manifest": "its manifest cannot be read",
    "list": "its manifest cannot be read",
    "no members": "its manifest cannot be read",
    "words": "its manifest cannot be read",
    "no manifest": "manifest.json is missing",
    "half": NOT_WHOLE,
    "text": NOT_WHOLE,
    "version": "made by a later version",
    "absent": "There is no file",
}


def damaged(taken: Path, damage: str) -> Path:
    """A backup with a damage."""
    with tarfile.open(taken) as archive:
        blob = next(name for name in archive.getnames() if name.startswith("blobs/"))
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    members = {name: value for name, value in manifest["members"].items() if name != blob}
    changes: dict[str, dict[str, bytes | None]] = {
        "blob": {blob: b"something else"},
        "no blob": {blob: None},
        "table": {"tables/user.jsonl": b""},
        "no table": {"tables/user.jsonl": None},
        "lines": sealed(manifest, {"tables/user.jsonl": b"[[]]\n"}),
        "rows": sealed(manifest, {"tables/user.jsonl": b""}),
        "key": {"secret_key": SECRET.replace("k", "j").encode()},
        "no key": {"secret_key": None},
        "weak key": sealed(manifest, {"secret_key": b"changeme-changeme-changeme-changeme-123"}),
        "no text": sealed(manifest, {"secret_key": b"\xff" * 40}),
        "two keys": {"manifest.json": json.dumps({**manifest, "key_sha256": "0" * 64}).encode()},
        "stranger": {"a-stranger": b"who are you"},
        "unnamed blob": {blob: None, "manifest.json": json.dumps({**manifest, "members": members}).encode()},
        "empty manifest": {"manifest.json": b"{}"},
        "list": {"manifest.json": b"[1]"},
        "no members": {"manifest.json": json.dumps({**manifest, "members": None}).encode()},
        "words": {"manifest.json": b"\xff damaged"},
        "no manifest": {"manifest.json": None},
        "version": {"manifest.json": json.dumps({**manifest, "revision": "0000"}).encode()},
    }
    if damage in changes:
        return rewritten(taken, changes[damage])
    path = taken.with_name(f"{damage}.tar")
    if damage != "absent":
        whole = taken.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if damage == "half" else b"hello")
    return path


@pytest.mark.parametrize("config", FEWER, indirect=True)
def test_a_damaged_backup_is_refused_with_a_sentence_and_changes_nothing(
    taken: Path, config: Config, tmp_path: Path
) -> None:
    empty = another(config, tmp_path / "empty", kept=True)
    for damage, said in DAMAGES.items():
        with pytest.raises(FileError, match=said) as refused:
            restoring.restore(empty, damaged(taken, damage))
        assert damage in ("version", "absent") or refused.value.sentence.startswith(NOT_WHOLE)
        assert (empty.data / "secret_key").read_text() == FRESH_KEY
        assert [path for path in (empty.data / "blobs").rglob("*") if path.is_file()] == []
    fresh = Store(empty)
    if inspect(fresh.engine).get_table_names():
        assert not any(everything(fresh).values())
    fresh.close()
    assert restoring.restore(empty, taken).doubts == (), "the place is as empty as before"


def another(config: Config, data: Path, secret_key: str = FRESH_KEY, *, kept: bool = False) -> Config:
    """A new installation with a secret key of its own, which it keeps itself or an operator does."""
    data.mkdir()
    if kept:
        keep_key(data, secret_key)
    return replace(config, data=data, database_url=f"sqlite:///{data / 'srs.sqlite'}", secret_key=secret_key)


def test_the_key_that_is_kept_in_the_data_folder_travels(taken: Path, config: Config, tmp_path: Path) -> None:
    """Passwords are hashed under it, so without it nobody could sign in after a restore."""
    fresh = another(config, tmp_path / "fresh", kept=True)
    assert restoring.restore(fresh, taken).doubts == ()
    assert (fresh.data / "secret_key").read_text() == config.secret_key
    assert (fresh.data / "secret_key").stat().st_mode & 0o077 == 0


def test_a_backup_comes_back_under_the_key_of_its_passwords_only(
    taken: Path, race: SmallRace, config: Config, tmp_path: Path
) -> None:
    """Whether it brings the key or an operator has it; who has lost it says so, and is told what that means."""
    with pytest.raises(StateError, match="Unset SRS_SECRET_KEY"):
        restoring.restore(another(config, tmp_path / "operators"), taken)
    assert restoring.restore(another(config, tmp_path / "same", SECRET), taken).doubts == ()
    assert not (tmp_path / "same" / "secret_key").exists()
    (config.data / "secret_key").unlink()
    elsewhere = tmp_path / "elsewhere.tar"
    storage.backup(race.store, config, elsewhere)
    lost = another(config, tmp_path / "lost", kept=True)
    with pytest.raises(StateError, match=r"Set SRS_SECRET_KEY .* say --new-key"):
        restoring.restore(lost, elsewhere)
    assert not lost.sqlite_path.exists()  # type: ignore[union-attr]
    assert "everybody needs a new password" in restoring.restore(lost, elsewhere, new_key=True).doubts[0]
    assert (lost.data / "secret_key").read_text() == FRESH_KEY


@pytest.mark.parametrize("config", FEWER, indirect=True)
def test_what_an_earlier_version_did_not_hash_is_named(taken: Path, config: Config, tmp_path: Path) -> None:
    with tarfile.open(taken) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    first: dict[str, Any] = {"format": "srs-backup-1", "tables": {}}
    first |= {name: manifest[name] for name in ("revision", "taken_at")}
    for name, rows in manifest["rows"].items():
        member = manifest["members"][f"tables/{name}.jsonl"]
        first["tables"][name] = {"rows": rows, "sha256": member["sha256"]}
    old = rewritten(taken, {"manifest.json": json.dumps(first).encode()})
    [doubt] = restoring.restore(another(config, tmp_path / "with", kept=True), old).doubts
    assert "could not be verified" in doubt
    with pytest.raises(FileError, match="none that a server accepts"):
        restoring.restore(another(config, tmp_path / "damaged", kept=True), rewritten(old, {"secret_key": b"k4Zq9"}))
    [doubt] = restoring.restore(another(config, tmp_path / "without"), rewritten(old, {"secret_key": None})).doubts
    assert "everybody needs a new password" in doubt


@pytest.mark.parametrize("name", ["blobs/ab/" + "ab" * 32, "figures/picture.svg", "srs.sqlite.old"])
@pytest.mark.parametrize("config", FEWER, indirect=True)
def test_only_an_empty_folder_is_restored_into(taken: Path, config: Config, tmp_path: Path, name: str) -> None:
    fresh = another(config, tmp_path / "fresh", kept=True)
    (fresh.data / "lost+found").mkdir()
    (fresh.data / name).parent.mkdir(parents=True, exist_ok=True)
    (fresh.data / name).write_bytes(b"of somebody")
    with pytest.raises(StateError, match=f"{name} lies in SRS_DATA"):
        restoring.restore(fresh, taken)
    assert not fresh.sqlite_path.exists()  # type: ignore[union-attr]
    (fresh.data / name).unlink()
    restoring.restore(fresh, taken)


def test_a_backup_never_overwrites_and_leaves_no_part(race: SmallRace, config: Config, tmp_path: Path) -> None:
    (tmp_path / "mine.tar").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        storage.backup(race.store, config, tmp_path / "mine.tar")
    with pytest.raises(FileError, match="cannot be written"):
        storage.backup(race.store, config, tmp_path / "nowhere" / "backup.tar")
    with race.store.read() as session:
        sha256 = session.scalars(select(Submission.sha256)).first()
    assert sha256 is not None
    place = race.store.blobs.path(sha256)
    place.write_bytes(place.read_bytes()[::-1])
    with pytest.raises(FileError, match=f"{sha256}, which the database names, has changed on the disk"):
        storage.backup(race.store, config, tmp_path / "torn.tar")
    place.unlink()
    with pytest.raises(FileError, match=f"{sha256}, which the database names, is missing"):
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

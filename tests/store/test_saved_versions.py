"""What earlier versions left opens in this one: a database migrates, a backup restores, the standings are the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask_security import verify_password

from fixtures.databases import SECRET
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.services import restoring
from srs.server.store.accounts import user_by_email
from srs.server.store.engine import Store
from srs.server.store.migrations import head, migrate
from srs.server.store.references import referenced_blobs
from srs.server.store.tables import METADATA
from srs.server.web.app import create_app
from worlds.saved import VERSIONS, saved_backup, saved_database, saved_standings, standings_now
from worlds.small_race import PASSWORD

pytestmark = pytest.mark.parametrize("version", VERSIONS)


def test_there_is_a_saved_version(version: str) -> None:
    rows = saved_standings(version)["round 1"]
    assert len({row["total"] for row in rows}) == len(rows) == 4, "a season in which every team stands by itself"


def test_a_database_migrates_to_the_same_standings(version: str, tmp_path: Path, sqlite_config: Config) -> None:
    (tmp_path / "saved.sqlite").write_bytes(saved_database(version))
    config = dataclasses.replace(sqlite_config, database_url=f"sqlite:///{tmp_path / 'saved.sqlite'}")
    assert migrate(config)[1] == head()
    store = Store(config)
    try:
        with store.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert standings_now(store) == saved_standings(version)
    finally:
        store.close()


def test_a_backup_restores_into_either_database(version: str, tmp_path: Path, empty_config: Config) -> None:
    """Files, standings, and the key under which passwords were hashed."""
    (empty_config.data / "secret_key").write_text(empty_config.secret_key, encoding="utf-8")
    (tmp_path / "backup.tar").write_bytes(saved_backup(version))
    assert restoring.restore(empty_config, tmp_path / "backup.tar").blobs > 100
    store = Store(empty_config)
    try:
        assert standings_now(store) == saved_standings(version)
        with store.read() as session:
            assert all(store.blobs.path(sha256).exists() for sha256 in referenced_blobs(session))
            ada = user_by_email(session, "ada@example.org")
        assert (empty_config.data / "secret_key").read_text(encoding="utf-8") == SECRET
        restored = dataclasses.replace(empty_config, secret_key=SECRET)
        with create_app(Server(restored, store, SilentBell())).app_context():
            assert ada is not None
            assert verify_password(PASSWORD, ada.password)
    finally:
        store.close()

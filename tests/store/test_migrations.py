"""Migrations: what they make is what the models say, on both databases, however many processes run them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from fixtures.databases import make_config
from fixtures.forked import Forked
from fixtures.live import PATIENCE_S
from fixtures.sizes import size
from srs.errors import StateError
from srs.server.config import Config
from srs.server.store.engine import Store, open_engine
from srs.server.store.migrations import alembic_config, head, migrate
from srs.server.store.tables import METADATA

PROCESSES = size(2, 4)


def test_the_migrated_tables_are_those_of_the_models(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrating_again_changes_nothing(config: Config) -> None:
    assert migrate(config) == (head(), head())


def test_down_to_nothing_and_up_again(store: Store, config: Config) -> None:
    with store.engine.execution_options(srs_writes=True).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert inspect(store.engine).get_table_names() == ["alembic_version"]
    assert migrate(config) == (None, head())
    assert set(inspect(store.engine).get_table_names()) == {*METADATA.tables, "alembic_version"}


def test_many_processes_migrate_an_empty_database_at_once(config: Config, store: Store, tmp_path: Path) -> None:
    with store.engine.execution_options(srs_writes=True).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
        connection.execute(text("DROP TABLE alembic_version"))
    migrate_together(config, tmp_path)
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_many_processes_create_one_sqlite_file(tmp_path: Path) -> None:
    migrate_together(make_config(tmp_path, f"sqlite:///{tmp_path / 'srs.sqlite'}"), tmp_path)


def test_a_new_sqlite_file_is_opened_by_several_at_once(tmp_path: Path) -> None:
    """SQLite does not wait by itself here; of fifty files ten would be refused to somebody."""
    openers = 4
    gate = threading.Barrier(openers)

    def journal_mode(url: str) -> object:
        engine = open_engine(url)
        gate.wait()
        try:
            with engine.connect() as connection:
                return connection.scalar(text("PRAGMA journal_mode"))
        finally:
            engine.dispose()

    with ThreadPoolExecutor(openers) as pool:
        for number in range(50):
            urls = [f"sqlite:///{tmp_path}/{number}.sqlite"] * openers
            assert list(pool.map(journal_mode, urls)) == ["wal"] * openers


def migrate_together(config: Config, folder: Path) -> None:
    """In processes that begin at the same moment."""
    log = folder / "processes.log"
    together = [Forked(migrate, config, environ=os.environ, log=log) for _ in range(PROCESSES)]
    assert [process.wait(PATIENCE_S) for process in together] == [0] * PROCESSES, log.read_text()


def test_a_database_of_a_later_version_is_refused(store: Store, config: Config) -> None:
    with store.work() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="later version"):
        migrate(replace(config))

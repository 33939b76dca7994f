"""Fresh installations for tests, on SQLite and on PostgreSQL: migrated once, then copied.

Import the fixtures into a ``conftest.py``:
``from installations import config, postgres_config, sqlite_config, store, templates``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import Postgres
from srs.server.config import Config
from srs.server.store.engine import Store
from srs.server.store.migrations import migrate

SECRET = "k4Zq9-for-tests-only-x7Yw2Lm8Rt5Bv1Nc3Pd6Sf"


def make_config(data: Path, database_url: str, broker_url: str = "") -> Config:
    """Settings of a test's installation: short leases, so that lost work is found soon."""
    return Config(
        data=data,
        database_url=database_url,
        secret_key=SECRET,
        broker_url=broker_url,
        lease_s=10.0,
        sweep_s=0.2,
    )


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file."""
    path = tmp_path_factory.mktemp("sqlite-template") / "srs.sqlite"
    migrate(make_config(path.parent, f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated, empty PostgreSQL database."""
    name = postgres.create()
    migrate(make_config(tmp_path_factory.mktemp("postgres-template"), postgres.url(name)))
    return name


@pytest.fixture
def sqlite_config(tmp_path: Path, sqlite_template: Path) -> Config:
    """An installation on SQLite, migrated."""
    data = tmp_path / "sqlite-data"
    data.mkdir()
    shutil.copy(sqlite_template, data / "srs.sqlite")
    return make_config(data, f"sqlite:///{data / 'srs.sqlite'}")


@pytest.fixture
def postgres_config(tmp_path: Path, postgres: Postgres, postgres_template: str) -> Iterator[Config]:
    """An installation on PostgreSQL, migrated."""
    name = postgres.create(postgres_template)
    yield make_config(tmp_path / "postgres-data", postgres.url(name))
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def config(request: pytest.FixtureRequest) -> Config:
    """An installation on each database in turn."""
    fixture = "sqlite_config" if request.param == "sqlite" else "postgres_config"
    found: Config = request.getfixturevalue(fixture)
    return found


@pytest.fixture
def store(config: Config) -> Iterator[Store]:
    """The store of a fresh installation, on each database in turn."""
    opened = Store(config)
    yield opened
    opened.close()

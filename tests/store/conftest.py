"""The tests of this folder run on SQLite and on PostgreSQL, each with a small race."""

from __future__ import annotations

import datetime as dt

import pytest

from installations import (  # noqa: F401
    config,
    postgres_config,
    postgres_template,
    sqlite_config,
    sqlite_template,
    store,
)
from servers import postgres, redis_server  # noqa: F401
from small_race import SmallRace, make_small_race
from srs.server.store.engine import Store


@pytest.fixture
def race(store: Store) -> SmallRace:  # noqa: F811
    """A race in its first defence phase with Ada and Ben in team 1 and Cleo in team 2; Nils in none, Dana staff."""
    return make_small_race(store, dt.datetime(2027, 4, 13, 12, 0, tzinfo=dt.UTC))

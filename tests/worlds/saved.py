"""Installations as earlier versions of the program left them, for this version to open: ``tests/saved/<name>/``.

Each folder holds ``srs.sqlite.xz`` (the database), ``backup.tar.xz`` (a backup, with every file that the database
names) and ``standings.json`` (what must come out again). ``PYTHONPATH=tests python -m worlds.saved NAME`` saves the
present version: once, before its tables change, for what a version wrote cannot be made after it is gone.
"""

from __future__ import annotations

import datetime as dt
import json
import lzma
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from flask_security import hash_password

from fixtures.databases import SECRET, make_config
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.services import notices, races, sign_in, storage
from srs.server.services.standings import Standing, race_standings, round_standings
from srs.server.store.accounts import User
from srs.server.store.engine import Store
from srs.server.store.migrations import migrate
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import rounds_of
from srs.server.web.app import create_app
from worlds.big_race import populate_big
from worlds.small_race import PASSWORD, STARTS_AT, People, race_toml

FOLDER = Path(__file__).parents[1] / "saved"
VERSIONS = sorted(path.name for path in FOLDER.iterdir()) if FOLDER.exists() else []
TEAMS = 4
SLUG = "small"


def saved_database(version: str) -> bytes:
    """The SQLite file of a version."""
    return lzma.decompress((FOLDER / version / "srs.sqlite.xz").read_bytes())


def saved_backup(version: str) -> bytes:
    """The backup of the same installation."""
    return lzma.decompress((FOLDER / version / "backup.tar.xz").read_bytes())


def saved_standings(version: str) -> dict[str, list[dict[str, Any]]]:
    """The rankings of ``SLUG`` as that version computed them, as ``standings_now`` tells them."""
    found: dict[str, list[dict[str, Any]]] = json.loads(
        (FOLDER / version / "standings.json").read_text(encoding="utf-8")
    )
    return found


def standings_now(store: Store) -> dict[str, list[dict[str, Any]]]:
    """The ranking of every round of ``SLUG`` and the overall one, numbers with all their digits."""
    with store.read() as session:
        race = race_by_slug(session, SLUG)
        found = {f"round {one.number}": round_standings(session, race, one) for one in rounds_of(session, race.id)}
        found["overall"] = race_standings(session, race)
        return {name: [_as_plain(row) for row in rows] for name, rows in found.items()}


def _as_plain(row: Standing) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "team": row.team.name,
        "utility": row.utility,
        "attack": row.attack,
        "total": row.total,
    }


def _save(version: str) -> None:
    (FOLDER / version).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(Path(folder), f"sqlite:///{folder}/srs.sqlite")
        (config.data / "secret_key").write_text(SECRET, encoding="utf-8")  # so that the backup brings it along
        migrate(config)
        store = Store(config)
        people, _ = populate_big(store, TEAMS)
        _fill_the_other_tables(config, store, people)
        storage.backup(store, config, config.data / "backup.tar")
        standings = json.dumps(standings_now(store), indent=1)
        store.close()
        with sqlite3.connect(config.data / "srs.sqlite") as connection:
            connection.execute("VACUUM INTO ?", (f"{folder}/copy.sqlite",))
        for source, name in (("copy.sqlite", "srs.sqlite.xz"), ("backup.tar", "backup.tar.xz")):
            (FOLDER / version / name).write_bytes(lzma.compress((config.data / source).read_bytes(), preset=9))
        (FOLDER / version / "standings.json").write_text(standings + "\n", encoding="utf-8")


def _fill_the_other_tables(config: Config, store: Store, people: People) -> None:
    """A password, a one-time link, what somebody wants to be told, a race with a roster."""
    with create_app(Server(config, store, SilentBell())).app_context():
        hashed = hash_password(PASSWORD)
    with store.work() as session:
        session.get_one(User, people.ada.user_id).password = hashed
    sign_in.make_sign_in_link(store, people.ada.user_id)
    notices.choose(store, people.ada, in_page=["accepted"], by_mail=[])
    starts_at = STARTS_AT + dt.timedelta(days=30)
    slug = races.create_race(store, people.dana, race_toml("course", starts_at=starts_at, joining='how = "roster"'))
    races.add_to_roster(store, people.dana, slug, ["ada@example.org", "somebody@example.org"])
    races.join(store, people.ada, slug)


if __name__ == "__main__":
    sys.exit(_save(sys.argv[1]))

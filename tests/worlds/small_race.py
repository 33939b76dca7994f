"""A small race for tests: three cells, two rounds, two teams, and the people that every test knows."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass

import pytest

from srs.server.bell import SilentBell
from srs.server.services import races, sign_in, submissions, teams
from srs.server.services.access import Person
from srs.server.store import clock
from srs.server.store.engine import Session, Store
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import Round, round_by_number

SLUG = "small"

RULES = """
slug = "small"
title = "A small race"
timezone = "Europe/Zurich"
[joining]
how = "code"
code = "walnut"
[classes]
count = 3
[traces]
repetitions = [4, 8]
[split]
test_traces = 6
test_pool = 6
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
[[rounds]]
defence = [2027-04-27T08:00:00, 2027-05-01T18:00:00]
attack = [2027-05-02T08:00:00, 2027-05-08T18:00:00]
"""


@dataclass(frozen=True)
class SmallRace:
    """The store and the people of the race."""

    store: Store
    ada: Person
    ben: Person
    cleo: Person
    nils: Person
    dana: Person

    def at(self, moment: dt.datetime) -> None:
        """Set the race's clock."""
        with self.store.work() as session:
            clock.simulate(session, moment)

    def race(self, session: Session) -> Race:
        """The race's row."""
        return race_by_slug(session, SLUG)

    def round(self, session: Session, number: int = 1) -> Round:
        """A round's row."""
        return round_by_number(session, self.race(session).id, number)

    def send(self, person: Person, kind: submissions.Kind, data: bytes, key: str, name: str = "file.csv") -> str:
        """Send a file as the pages do; the submission's public id."""
        upload = submissions.open_upload(self.store, person, SLUG, kind)
        blob = self.store.blobs.receive(io.BytesIO(data).read, upload.upload_max_bytes)
        return submissions.receive(self.store, SilentBell(), upload, blob, name, key)


def make_small_race(store: Store, now: dt.datetime, rules: str = RULES) -> SmallRace:
    """The race, its clock at ``now``."""
    people = {}
    for name in ("Ada", "Ben", "Cleo", "Nils", "Dana"):
        email = f"{name.lower()}@example.org"
        user_id = sign_in.add_user(store, email, name, staff=name == "Dana")
        people[name.lower()] = Person(user_id, email, name, is_staff=name == "Dana")
    race = SmallRace(store, **people)
    race.at(now)
    races.create_race(store, race.dana, rules)
    for person in (race.ada, race.ben, race.cleo):
        races.join(store, person, SLUG, "walnut")
    teams.create_team(store, race.ada, SLUG, "Ada's team")
    teams.accept_invitation(store, race.ben, teams.invite(store, race.ada, SLUG))
    teams.create_team(store, race.cleo, SLUG, "Cleo's team")
    return race


@pytest.fixture
def race(store: Store) -> SmallRace:
    """A race in its first defence phase with Ada and Ben in team 1 and Cleo in team 2; Nils in none, Dana staff."""
    return make_small_race(store, dt.datetime(2027, 4, 13, 12, 0, tzinfo=dt.UTC))

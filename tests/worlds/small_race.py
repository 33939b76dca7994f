"""The small race and its people, which most tests know: two rounds, two teams, four cells.

Ada and Ben are team 1, Cleo is team 2, Nils is in the race without a team, Dana is staff, Paul has an account and
is in no race, Zoe's account is disabled; a stranger has none.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass

from srs.server.bell import SilentBell
from srs.server.services import races, sign_in, submissions, teams
from srs.server.services.access import Person
from srs.server.store import clock
from srs.server.store.accounts import User
from srs.server.store.engine import Session, Store
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import Round, round_by_number

SLUG = "small"
PASSWORD = "correct horse battery staple"

STARTS_AT = dt.datetime(2027, 4, 13, 6, 0, tzinfo=dt.UTC)
"""When the first defence phase opens; each phase lasts a day, with an hour between two."""

PHASE = dt.timedelta(days=1)
PAUSE = dt.timedelta(hours=1)

IN_DEFENCE = STARTS_AT + dt.timedelta(hours=1)
CLOSES_AT = STARTS_AT + PHASE
ATTACK_OPENS_AT = CLOSES_AT + PAUSE
IN_ATTACK = ATTACK_OPENS_AT + dt.timedelta(hours=1)
ATTACK_CLOSES_AT = ATTACK_OPENS_AT + PHASE
AFTER_ROUND = ATTACK_CLOSES_AT + dt.timedelta(minutes=50)
"""Of round 1, as all moments here; round 2 opens ten minutes later."""


def race_toml(
    slug: str = SLUG,
    *,
    starts_at: dt.datetime = STARTS_AT,
    phase: dt.timedelta = PHASE,
    rounds: int = 2,
    tables: str = "",
    joining: str = 'how = "open"',
    classes: int = 4,
    visibility: str = "members",
) -> str:
    """A ``race.toml`` of a small race: 4 classes with 3 to 6 traces each, test sets of 4, 2 matches for each team."""
    text = f"""
slug = "{slug}"
title = "Race {slug}"
description = "A **small** race."
timezone = "Europe/Zurich"
visibility = "{visibility}"
[joining]
{joining}
[classes]
count = {classes}
[traces]
repetitions = [3, 6]
packets_min = 4
[split]
test_traces = 4
test_pool = 4
[matches]
per_team = 2
{tables}
"""
    for number in range(rounds):
        defence = starts_at + number * 2 * (phase + PAUSE)
        attack = defence + phase + PAUSE
        text += "[[rounds]]\n"
        text += f"defence = [{defence.isoformat()}, {(defence + phase).isoformat()}]\n"
        text += f"attack = [{attack.isoformat()}, {(attack + phase).isoformat()}]\n"
    return text


def set_clock(store: Store, shows_at: dt.datetime) -> None:
    """Let the race's clock show a moment."""
    with store.work() as session:
        clock.simulate(session, shows_at)


def add_person(store: Store, name: str, *, staff: bool = False) -> Person:
    """An account called ``name``, at ``name@example.org``."""
    email = f"{name.lower()}@example.org"
    return Person(sign_in.add_user(store, email, name, staff=staff), email, name, staff)


def disable(store: Store, person: Person) -> None:
    """Close an account."""
    with store.work() as session:
        session.get_one(User, person.user_id).active = False


@dataclass(frozen=True)
class People:
    """Everybody, and the slug of the race that they are in."""

    slug: str
    ada: Person
    ben: Person
    cleo: Person
    nils: Person
    paul: Person
    zoe: Person
    dana: Person


def populate(store: Store, toml: str | None = None, *, at: dt.datetime = IN_DEFENCE) -> People:
    """Make the race and everybody in it; its clock shows ``at``."""
    set_clock(store, at)
    dana = add_person(store, "Dana", staff=True)
    ada, ben, cleo, nils, paul, zoe = (
        add_person(store, name) for name in ("Ada", "Ben", "Cleo", "Nils", "Paul", "Zoe")
    )
    slug = races.create_race(store, dana, toml or race_toml())
    for person in (ada, ben, cleo, nils, zoe):
        races.join(store, person, slug)
    teams.create_team(store, ada, slug, "Onions")
    teams.accept_invitation(store, ben, teams.invite(store, ada, slug))
    teams.create_team(store, cleo, slug, "Garlic")
    disable(store, zoe)
    return People(slug, ada, ben, cleo, nils, paul, zoe, dana)


@dataclass(frozen=True)
class SmallRace:
    """A store and the people of the race in it, who are reached by their names: ``race.ada``."""

    store: Store
    people: People

    def __getattr__(self, name: str) -> Person:
        person: Person = getattr(self.people, name)
        return person

    def at(self, moment: dt.datetime) -> None:
        """Set the race's clock."""
        set_clock(self.store, moment)

    def race(self, session: Session) -> Race:
        """The race's row."""
        return race_by_slug(session, self.people.slug)

    def round(self, session: Session, number: int = 1) -> Round:
        """A round's row."""
        return round_by_number(session, self.race(session).id, number)

    def send(self, person: Person, kind: submissions.Kind, data: bytes, key: str, name: str = "file.csv") -> str:
        """Send a file as the pages do; the submission's public id."""
        upload = submissions.open_upload(self.store, person, self.people.slug, kind)
        blob = self.store.blobs.receive(io.BytesIO(data).read, upload.upload_max_bytes)
        return submissions.receive(self.store, SilentBell(), upload, blob, name, key)

"""The people of the tests, and a small race for them to run.

Ada and Ben are team 1, Cleo is team 2, Nils is in the race without a team, Dana is staff, Paul has an account and
is in no race, Zoe's account is disabled; a stranger has none.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from srs.server.services import races, sign_in, teams
from srs.server.services.access import Person
from srs.server.store import clock
from srs.server.store.accounts import User
from srs.server.store.engine import Store

STARTS_AT = dt.datetime(2027, 4, 13, 6, 0, tzinfo=dt.UTC)
"""When the small race's first defence phase opens; each phase lasts a day, with an hour between two."""

PHASE = dt.timedelta(days=1)
PAUSE = dt.timedelta(hours=1)
PASSWORD = "correct horse battery staple"


def race_toml(
    slug: str = "small",
    *,
    starts_at: dt.datetime = STARTS_AT,
    rounds: int = 2,
    head: str = "",
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
{head}
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
        defence = starts_at + number * 2 * (PHASE + PAUSE)
        attack = defence + PHASE + PAUSE
        text += "[[rounds]]\n"
        text += f"defence = [{defence.isoformat()}, {(defence + PHASE).isoformat()}]\n"
        text += f"attack = [{attack.isoformat()}, {(attack + PHASE).isoformat()}]\n"
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


def populate(store: Store, toml: str | None = None, *, at: dt.datetime | None = None) -> People:
    """Make the race and everybody in it. The clock shows one hour into the first defence phase, or ``at``."""
    set_clock(store, at or STARTS_AT + dt.timedelta(hours=1))
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

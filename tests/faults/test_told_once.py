"""Notices under faults: real tenders side by side, killed at any moment, on a real PostgreSQL."""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select

from faults.plant import wait_for
from fixtures.forked import Forked
from fixtures.sizes import FULL, record, size
from srs.server.bootstrap import open_server
from srs.server.config import Config
from srs.server.services.access import Person
from srs.server.store.engine import Store
from srs.server.store.notices import FINAL, Announcement, Notice
from srs.server.store.outbox import OutboxMail
from srs.server.store.rounds import rounds_of
from srs.server.worker.tend import tend_until
from worlds.small_race import STARTS_AT, SmallRace, populate, race_toml

SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)


def tend(config: Config) -> None:
    tend_until(open_server(config), Event())


class Tenders:
    """Processes that tend one installation."""

    def __init__(self, config: Config, log: Path) -> None:
        self._config, self._log = replace(config, sweep_s=0.02), log
        self.running = [self._start() for _ in range(2)]

    def _start(self) -> Forked:
        return Forked(tend, self._config, environ=os.environ, log=self._log)

    def kill_one(self, dice: random.Random) -> None:
        """``kill -9`` one of the two, and start another in its place."""
        index = dice.randrange(len(self.running))
        self.running[index].kill()
        self.running[index].wait()
        self.running[index] = self._start()

    def end(self) -> None:
        """End both."""
        for tender in self.running:
            tender.kill()
            tender.wait()


@pytest.fixture
def world_name() -> str:
    """The race has rules of its own."""
    return "empty"


@pytest.fixture
def race(postgres_config: Config) -> Iterator[SmallRace]:
    """It opens in an hour; its phases are long enough to be reminded a day before they end."""
    store = Store(postgres_config)
    yield SmallRace(store, populate(store, race_toml(phase=dt.timedelta(days=3)), at=STARTS_AT - HOUR))
    store.close()


def moments(race: SmallRace) -> list[dt.datetime]:
    """Every moment at which something becomes due in a race that nobody defends: in order."""
    with race.store.read() as session:
        rounds = rounds_of(session, race.race(session).id)
    found = []
    for one in rounds:
        found += [one.defence_opens_at, one.defence_closes_at - 24 * HOUR, one.defence_closes_at - HOUR]
        found += [one.defence_closes_at + 121 * SECOND, one.attack_closes_at + 121 * SECOND]
    return found


def announced(race: SmallRace) -> list[tuple[int, str]]:
    with race.store.read() as session:
        return [(one.round_id, one.key) for one in session.scalars(select(Announcement).order_by(Announcement.id))]


def test_two_tenders_tell_everything_once(race: SmallRace, postgres_config: Config, tmp_path: Path) -> None:
    """R7, R19 for what the clock tells: two tenders, one of them killed at each step, 0 lost and 0 told twice."""
    dice, log = random.Random(1), tmp_path / "tenders.log"
    tenders = Tenders(postgres_config, log)
    kills = size(1, 6)
    try:
        for step, moment in enumerate(moments(race), start=1):
            race.at(moment)
            for _ in range(kills if FULL or step % 2 else 0):
                time.sleep(dice.uniform(0.0, 0.7))
                tenders.kill_one(dice)
            wait_for(partial(has_done, race, step), 60, log.read_text()[-2000:])
        time.sleep(1)
    finally:
        tenders.end()
    expected = Counter({(person.email, what): times for person in members(race) for what, times in TOLD.items()})
    for where, told in (("in the page", in_the_page(race)), ("by mail", by_mail(race))):
        # Apart: one that is lost must not make up for one that is told twice.
        lost, doubled = (expected - told).total(), (told - expected).total()
        record(
            "R7", told.total(), lost, doubled, note=f"told by the clock {where}: two tenders, one killed at each step"
        )
        assert (lost, doubled) == (0, 0), (expected - told, told - expected)
    assert [key for key in announced(race) if key[1] == FINAL] == [(1, FINAL), (2, FINAL)]


def members(race: SmallRace) -> list[Person]:
    """Everybody who is in a team."""
    return [race.ada, race.ben, race.cleo]


TOLD = {
    what.format(number): times
    for number in (1, 2)
    for what, times in {
        "The defence phase of round {} is open": 1,
        "Round {} waits for your defence": 2,
        "Round {} is drawn: you have no match": 1,
        "Round {} is over: the standings are final": 1,
    }.items()
}
"""To each member of a team without a defence, and how often. Without a match nobody is asked for an attack."""


def in_the_page(race: SmallRace) -> Counter[tuple[str, str]]:
    """Who is told what, by the clock, on the page of notices, and how often."""
    emails = {person.user_id: person.email for person in members(race)}
    with race.store.read() as session:
        found = [(emails.get(one.user_id), what(one.subject)) for one in session.scalars(select(Notice))]
    return Counter((email, subject) for email, subject in found if email and "your team" not in subject)


def by_mail(race: SmallRace) -> Counter[tuple[str, str]]:
    """The same by mail."""
    emails = {person.email for person in members(race)}
    with race.store.read() as session:
        found = [(one.recipient, what(one.subject)) for one in session.scalars(select(OutboxMail))]
    return Counter((email, subject) for email, subject in found if email in emails and "your team" not in subject)


def what(subject: str) -> str:
    """A subject without the race's title, and without the moment of a deadline."""
    return subject.removeprefix("[Race small] ").partition(", until")[0]


def has_done(race: SmallRace, steps: int) -> bool:
    """Whether as many announcements and publications have been made as there were moments."""
    with race.store.read() as session:
        published = sum(one.published_at is not None for one in rounds_of(session, race.race(session).id))
    return len(announced(race)) + published >= steps

"""Whose job is next: every team's first waiting file before any team's second, as files come, are judged and fail.

A case is a story in words of one or two characters: ``+A`` a file of team A arrives, ``A`` a worker claims one (and it
must be A's), ``/A`` the one of A that was claimed first is judged, ``xA`` it crashes, ``~A`` its worker falls silent,
``<`` the database's clock is set back by an hour. Small letters are practice, ``h`` is the house. Before each claim the
whole queue is told by ``waiting_before``, and what is told must come true, whatever is judged meanwhile.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sqlalchemy import delete, select

from srs.server.services import jobs
from srs.server.services.jobs import Claim
from srs.server.store.engine import Store, database_now
from srs.server.store.jobs import ACCEPTED, BUNDLE, HOUSE, PRACTICE, Job, claimable, waiting_before
from srs.server.store.teams import Team
from worlds.small_race import SmallRace

HOUR = dt.timedelta(hours=1)
CRASHES_MAX = 5

STORIES = {
    "one worker, one team with many": "+A +A +A +A +A +A +B  A /A B /B A /A A /A A /A A /A A",
    "two workers": "+A +A +A +B +B +B  A B /B A /A B /B A /A B",
    "a team that comes late has its first at once": "+A +A +A  A /A A +B B A",
    "a team whose last file is older goes first": "+A +B  A /A B /B  +B +A  A B",
    "three teams take turns": "+A +A +A +B +B +C  A B C /B A B A",
    "who sends one after each verdict holds nobody up": "+A +A +A +B  A /A B /B +B  A /A B /B +B  A B",
    "many running ones are turns, too": "+A +A +A +A  A A A +B B A",
    "a slow one holds up its team only by its turn": "+A +A +B +B +B  A B /B A B /B B",
    "practice waits for what counts": "+a +b +A +A +B  A B A a b",
    "practice takes no turn": "+a a +A +B  A B",
    "practice takes turns with practice": "+a +a +a +b  a /a b a a",
    "the house comes last": "+h +a +A  A a h",
    "a crash is a turn, and a pause": "+A +A +B  A xA B A",
    "a silent worker's job waits again": "+A +A +B  A ~A B A A",
    "a clock that was set back": "+A A /A <  +B +A +B +A  B A B A",
    "a clock that was set back, with all served before": "+A +B A B /A /B <  +A +A +B +B  A B A B",
}


@dataclass
class Story:
    """The race as a story goes on: who is who, and the claims that are not done, oldest first."""

    name: str
    store: Store
    race_id: int
    teams: dict[str, int | None]
    running: list[tuple[str, Claim]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    def go(self, word: str) -> None:
        """One word of the story."""
        if word[0] == "+":
            self._arrive(word[1])
        elif word == "<":
            self._set_back()
        elif len(word) == 1:
            self._claim(word)
        else:
            self._end(word[0], word[1])
        if word[0] in "+x~<":  # neither a claim nor a verdict changes what was told
            self.told = []

    def _arrive(self, who: str) -> None:
        kind = HOUSE if who == "h" else BUNDLE if who.isupper() else PRACTICE
        with self.store.work() as session:
            now = database_now(session)
            session.add(Job(kind=kind, race_id=self.race_id, team_id=self.teams[who.upper()], queued_at=now))

    def _claim(self, who: str) -> None:
        self.told = self.told or self._told()
        claim = jobs.claim_next(self.store, "w", 60.0, CRASHES_MAX)
        assert claim is not None
        with self.store.read() as session:
            job = session.get_one(Job, claim.job_id)
        assert (job.team_id, job.kind == PRACTICE) == (self.teams[who.upper()], who in "abc"), self.name
        assert job.id == self.told.pop(0), self.name
        self.running.append((who, claim))

    def _end(self, how: str, who: str) -> None:
        found = next(one for one in self.running if one[0] == who)
        self.running.remove(found)
        if how == "/":
            assert jobs.finish(self.store, found[1], ACCEPTED, None, lambda _session, _job: None)
        elif how == "x":
            jobs.give_back(self.store, found[1], "it exploded")
        else:
            with self.store.work() as session:
                session.get_one(Job, found[1].job_id).lease_until = database_now(session) - dt.timedelta(seconds=1)

    def _set_back(self) -> None:
        with self.store.work() as session:
            for job in session.scalars(select(Job).where(Job.started_at.is_not(None))):
                assert job.started_at is not None
                job.started_at += HOUR

    def _told(self) -> list[int]:
        """The jobs that may be claimed, as the pages of each tell its place."""
        with self.store.read() as session:
            now = database_now(session)
            waiting = session.scalars(select(Job).where(claimable(now))).all()
            places = {waiting_before(session, job, now, CRASHES_MAX): job.id for job in waiting}
        assert sorted(places) == list(range(len(waiting))), self.name
        return [places[place] for place in sorted(places)]


def test_the_order_of_claims(race: SmallRace) -> None:
    """Every story in turn, each without the jobs of the one before."""
    with race.store.work() as session:
        race_id = race.race(session).id
        session.add(Team(race_id=race_id, number=3, name="Leeks", created_at=database_now(session)))
    with race.store.read() as session:
        teams = session.scalars(select(Team.id).order_by(Team.number)).all()
    for name, words in STORIES.items():
        with race.store.work() as session:
            session.execute(delete(Job))
        tale = Story(name, race.store, race_id, {**dict(zip("ABC", teams, strict=True)), "H": None})
        for word in words.split():
            tale.go(word)

"""A race of many teams, as it looks in the attack phase of its second round.

Four teams play through services and judgement; the others are copies of them, written in bulk. Every team has three
people, and in both rounds an accepted defence, matches and an accepted attack; team 1 and each copy of it have files in
every other state, too. Round 1 is final.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any, TypeVar

import polars as pl
from sqlalchemy import inspect, select

from srs.lab import attacks, defences
from srs.lab.simulate import simulate
from srs.server.bell import SilentBell
from srs.server.services import practice, races, reminders, rounds, teams
from srs.server.services.access import Person
from srs.server.services.submissions import Kind, open_upload, receive
from srs.server.store.accounts import User
from srs.server.store.base import Base
from srs.server.store.engine import Session, Store
from srs.server.store.jobs import PARKED, QUEUED, RUNNING, Job
from srs.server.store.matches import Match, matches_of_attacker
from srs.server.store.notices import Notice, notices_of
from srs.server.store.practice import PracticeScore, practice_of
from srs.server.store.races import Participation, race_by_slug
from srs.server.store.rounds import Round, round_by_number
from srs.server.store.scores import AttackScore, DefenceScore
from srs.server.store.submissions import Submission
from srs.server.store.teams import Membership, Team, team_by_number, teams_of_race
from worlds.judged import judge_all
from worlds.played_round import Played, set_state
from worlds.small_race import PHASE, People, add_person, populate, race_toml, set_clock

Row = TypeVar("Row", bound=Base)

DEFENDED = (None, defences.full_packets, defences.dummies, defences.front)
PLAYED = len(DEFENDED)
MEMBERS = 3
MATCHES = PLAYED - 1
SEED = 7
PACKETS_MAX = 150
HOUR = dt.timedelta(hours=1)


def populate_big(store: Store, count: int, *, cells: int = 4, repetitions: int = 6) -> tuple[People, Played]:
    """A race of ``count`` teams (4, or 8 and more): its people, and what its teams 1 to 4 have sent in round 2."""
    people = populate(store, _toml(cells, repetitions))
    captains = [people.ada, people.cleo]
    for name, team in (("Elif", "Walnuts"), ("Gita", "Hazelnuts")):
        captains.append(_captain(store, people.slug, name, team))
    game = _Game(store, people.slug, captains, cells, repetitions)
    for number in (1, 2):
        played = game.play_round(number)
    grow(store, people, count)
    return people, played


def grow(store: Store, people: People, count: int) -> None:
    """Bring the race of the four teams that played to ``count`` teams (4, or 8 and more)."""
    with store.work() as session:
        _Copies(session, people.slug).make(count)


def _toml(cells: int, repetitions: int) -> str:
    joining = f'how = "open"\nteam_size_max = {MEMBERS + 1}'
    limits = "[limits]\ndefences_per_day = 20"
    toml = race_toml(classes=cells, visibility="public", joining=joining, tables=limits, rounds=3)
    values = {
        "[3, 6]": f"[3, {repetitions}]",
        "test_traces = 4": f"test_traces = {2 * cells}",
        "test_pool = 4": f"test_pool = {2 * cells}",
        "per_team = 2": f"per_team = {MATCHES}",
    }
    for old, new in values.items():
        assert old in toml
        toml = toml.replace(old, new)
    return toml


def _captain(store: Store, slug: str, name: str, team: str) -> Person:
    person = add_person(store, name)
    races.join(store, person, slug)
    teams.create_team(store, person, slug, team)
    return person


class _Game:
    """The four teams that really play."""

    def __init__(self, store: Store, slug: str, captains: list[Person], cells: int, repetitions: int) -> None:
        self.store, self.slug, self.captains = store, slug, captains
        self.cells, self.repetitions = cells, repetitions

    def play_round(self, number: int) -> Played:
        times = self._round(number)
        set_clock(self.store, times.defence_opens_at + HOUR)
        self._send(0, "defence", b"cell_id,rep,direction_size,timestamp\n1,0,0,nan\n", "first try.csv")
        defended = {index: self._send(index, "defence", self._defence(number, index)) for index in range(PLAYED)}
        set_state(self.store, self.slug, self._send(0, "defence", b"x", "trouble.csv"), PARKED)
        self._tend()
        set_clock(self.store, times.attack_opens_at + HOUR)
        for _ in range(2):  # the draw, then its publication
            self._tend()
        self._send(0, "attack", b"team_id,capture_id\n1,1\n", "first try.csv")
        guessed = {index: self._send(index, "attack", self._attack(number, index)) for index in range(PLAYED)}
        self._tend()
        if number == 1:
            set_clock(self.store, times.attack_opens_at + PHASE + 2 * HOUR)
        else:
            self._send(0, "practice", self._example(), "example_attack.csv.zip")
            self._tend()
            for state in (RUNNING, QUEUED):
                set_state(self.store, self.slug, self._send(0, "attack", b"x", "one more.csv"), state)
        return Played(
            {index + 1: public_id for index, public_id in defended.items()},
            {index + 1: public_id for index, public_id in guessed.items()},
        )

    def _tend(self) -> None:
        """What the server does by itself: everything that is due, then every job."""
        practice.ask_the_house(self.store, SilentBell())
        rounds.advance(self.store, SilentBell())
        judge_all(self.store)
        reminders.announce(self.store)

    def _example(self) -> bytes:
        with self.store.read() as session:
            made = practice_of(session, race_by_slug(session, self.slug).id)
            assert made is not None
            return self.store.blobs.path(made.files["example_attack.csv.zip"]["sha256"]).read_bytes()

    def _round(self, number: int) -> Round:
        with self.store.read() as session:
            return round_by_number(session, race_by_slug(session, self.slug).id, number)

    def _send(self, index: int, kind: Kind, content: bytes, name: str = "file.csv") -> str:
        upload = open_upload(self.store, self.captains[index], self.slug, kind)
        blob = self.store.blobs.put(content)
        return receive(self.store, SilentBell(), upload, blob, name, secrets.token_hex(8))

    def _defence(self, number: int, index: int) -> bytes:
        start = self.repetitions * (10 * number + index)
        traces = simulate(self.cells, self.repetitions, seed=SEED, start=start)
        traces = traces.with_columns(pl.col("rep") - start).group_by("cell_id", "rep", maintain_order=True)
        defend = DEFENDED[index]
        table = traces.head(PACKETS_MAX) if defend is None else defend(traces.head(PACKETS_MAX), SEED + start)
        return table.write_csv(float_precision=6).encode()

    def _attack(self, number: int, index: int) -> bytes:
        with self.store.read() as session:
            team = team_by_number(session, race_by_slug(session, self.slug).id, index + 1)
            matches = matches_of_attacker(session, self._round(number).id, team.id)
        assert len(matches) == MATCHES
        bundles = [[self._table(match, name) for name in ("train.parquet", "test.parquet")] for match in matches]
        guesses = [attacks.predict(*bundle, "neighbours", SEED, classes=self.cells) for bundle in bundles]
        return pl.concat(guesses).write_csv(float_precision=6).encode()

    def _table(self, match: Match, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.store.blobs.path((match.files or {})[name]["sha256"]))


class _Copies:
    """Teams 5 and on, each a copy of one of the first four with people, files and matches of its own."""

    def __init__(self, session: Session, slug: str) -> None:
        self.session = session
        self.race = race_by_slug(session, slug)
        captain = self.session.scalars(select(User.id).where(User.name == "Ada")).one()
        self.notices = notices_of(session, captain, limit=100)
        self.patterns = [team for team in teams_of_race(session, self.race.id) if team.number <= PLAYED]

    def make(self, count: int) -> None:
        self._fill_up()
        pattern_of: dict[int, Team] = {}
        for number in range(PLAYED + 1, count + 1):
            team = self._add(Team, self.patterns[(number - 1) % PLAYED], number=number, name=f"The {number} strollers")
            pattern_of[team.id] = self.patterns[(number - 1) % PLAYED]
            for member in range(MEMBERS):
                self._join(team, f"Person {number} {member}")
        self.race.teams_numbered = max(count, PLAYED)
        sent = {team_id: self._copy_files(team_id, pattern.id) for team_id, pattern in pattern_of.items()}
        self._copy_matches(pattern_of, sent)

    def _fill_up(self) -> None:
        for team in self.patterns:
            for member in range(len(team.members), MEMBERS):
                self._join(team, f"Person {team.number} {member}")

    def _join(self, team: Team, name: str) -> None:
        email = f"{name.lower().replace(' ', '.')}@example.org"
        at = self.race.created_at
        user = User(email=email, name=name, fs_uniquifier=secrets.token_hex(32), confirmed_at=at, create_datetime=at)
        self.session.add(user)
        self.session.flush()
        self.session.add(Participation(race_id=self.race.id, user_id=user.id, joined_at=at, approved_at=at))
        self.session.add(Membership(race_id=self.race.id, team_id=team.id, user_id=user.id, joined_at=at))
        for notice in self.notices:
            self._add(Notice, notice, user_id=user.id)

    def _copy_files(self, team_id: int, pattern_id: int) -> dict[int, Submission]:
        """Submissions with jobs and the numbers of defences; by the ids of their patterns."""
        copies = {}
        [user_id, *_] = self.session.scalars(select(Membership.user_id).where(Membership.team_id == team_id))
        for pattern in self.session.scalars(select(Submission).where(Submission.team_id == pattern_id)).all():
            fresh = {"public_id": secrets.token_urlsafe(16), "idempotency_key": secrets.token_hex(8)}
            copy = self._add(Submission, pattern, team_id=team_id, user_id=user_id, **fresh)
            job = self._add(Job, pattern.job, team_id=team_id, submission_id=copy.id)
            for score in self.session.scalars(select(DefenceScore).where(DefenceScore.submission_id == pattern.id)):
                self._add(DefenceScore, score, submission_id=copy.id, job_id=job.id)
            for reached in self.session.scalars(select(PracticeScore).where(PracticeScore.submission_id == pattern.id)):
                self._add(PracticeScore, reached, submission_id=copy.id, job_id=job.id)
            copies[pattern.id] = copy
        return copies

    def _copy_matches(self, pattern_of: dict[int, Team], sent: dict[int, dict[int, Submission]]) -> None:
        """Each copy attacks the next three; what it reached is what its pattern reached."""
        ids = list(pattern_of)
        for place, attacker_id in enumerate(ids):
            patterns = select(Match).where(Match.attacker_id == pattern_of[attacker_id].id)
            by_round: dict[int, int] = {}
            for pattern in self.session.scalars(patterns).all():
                step = by_round[pattern.round_id] = by_round.get(pattern.round_id, 0) + 1
                defender_id = ids[(place + step) % len(ids)]
                defence = next(
                    one
                    for one in sent[defender_id].values()
                    if one.round_id == pattern.round_id and self._is_drawn(one)
                )
                changes = {"attacker_id": attacker_id, "defender_id": defender_id, "defence_id": defence.id}
                match = self._add(Match, pattern, **changes)
                for score in self.session.scalars(select(AttackScore).where(AttackScore.match_id == pattern.id)):
                    copy = sent[attacker_id][score.submission_id]
                    self._add(AttackScore, score, submission_id=copy.id, job_id=copy.job.id, match_id=match.id)

    def _is_drawn(self, defence: Submission) -> bool:
        drawn = select(DefenceScore.id).where(DefenceScore.submission_id == defence.id, DefenceScore.is_drawn)
        return self.session.scalar(drawn) is not None

    def _add(self, of: type[Row], pattern: Row, **changes: Any) -> Row:
        """A copy of a row with some of its columns changed."""
        columns = [column.key for column in inspect(of).column_attrs if column.key != "id"]
        copy = of(**{name: getattr(pattern, name) for name in columns} | changes)
        self.session.add(copy)
        self.session.flush()
        return copy

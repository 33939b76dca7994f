"""A small season, played through the real pipeline on a simulated clock: what ``srs-server demo`` shows.

Six teams, two rounds, defences of different strength, real classifiers, one file with planted faults, one upload
after the deadline; then a third round that is left open. From the same seed the same standings: the season is
the golden test, too. Every file is received, claimed, judged and published exactly as a participant's would be.
"""

from __future__ import annotations

import datetime as dt
import io
import random
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import polars as pl

from srs.errors import PhaseClosed
from srs.lab import attacks, defences
from srs.lab.simulate import simulate
from srs.server.bell import Bell
from srs.server.services import races, sign_in, standings, submissions, teams
from srs.server.services.access import Person
from srs.server.services.reminders import announce
from srs.server.store import clock
from srs.server.store.engine import Session, Store
from srs.server.store.jobs import ACCEPTED, PENDING
from srs.server.store.matches import matches_of_attacker
from srs.server.store.practice import practice_of
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import Round, round_by_number
from srs.server.store.submissions import states_of_round, submissions_of_race
from srs.server.store.teams import team_of

SLUG: Final = "demo"
CELLS: Final = 24
REPETITIONS: Final = 16
SEED: Final = 2022
POLL_S: Final = 0.2
DAY: Final = dt.timedelta(days=1)

RULES: Final = """\
slug = "demo"
title = "Secret Race Strolling: a demo season"
description = "Which of the {cells} cells of a city map did somebody look up, over Tor? Six teams hide and guess it, \
in simulated traffic. Two rounds are played; the third is open: take part."
timezone = "Europe/Zurich"
visibility = "public"

[joining]
how = "open"
team_size_max = 2

[classes]
count = {cells}

[traces]
repetitions = [8, {repetitions}]

[split]
test_traces = {test}
test_pool = {test}

[matches]
per_team = 3

[limits]
defences_per_day = 20
attacks_per_day = 20

[undefended]
received_bytes = 494400
sent_bytes = 27500
duration_s = 11.2
"""


@dataclass(frozen=True)
class Player:
    """A team of the season: who is in it, how it defends, how it attacks."""

    name: str
    people: tuple[str, ...]
    defend: defences.Defence | None
    attack: str


TEAMS: Final = (
    Player("Plain Strollers", ("Ada", "Ben"), None, "neighbours"),
    Player("Full Envelopes", ("Cleo", "Dario"), defences.full_packets, "bayes"),
    Player("Dummy Walkers", ("Elif", "Finn"), defences.dummies, "forest"),
    Player("Front Runners", ("Gita", "Hugo"), defences.front, "trees"),
    Player("Tamaraw Trail", ("Ines",), defences.tamaraw, "neighbours"),
    Player("Quiet Maps", ("Jun", "Kaja"), partial(defences.front, sent_most=40, received_most=160), "forest"),
)
PRACTISING: Final = (0, 2)
FAULTY_TEAM: Final = 1
LATE_TEAM: Final = 5
LATE_BY: Final = dt.timedelta(seconds=42)


class Season:
    """Plays the season on a store whose jobs some worker does; ``say`` hears what happens."""

    def __init__(self, store: Store, bell: Bell, say: Callable[[str], None], now: dt.datetime) -> None:
        self._store, self._bell, self._say = store, bell, say
        self._begins_at = now.replace(minute=0, second=0, microsecond=0) - 13 * DAY
        self._captains: list[Person] = []

    def prepare(self) -> dict[str, int]:
        """Make the race and its people; ``{name: user id}`` of Ada (in a team), Nils (in none) and Dana (staff)."""
        self._set_clock(self._begins_at - DAY)
        dana = self._person("Dana", staff=True)
        races.create_race(self._store, dana, self._rules(), randbytes=random.Random(SEED).randbytes)  # noqa: S311
        nils = self._person("Nils")
        for player in TEAMS:
            self._form_team(player)
        return {"Ada": self._captains[0].user_id, "Nils": nils.user_id, "Dana": dana.user_id}

    def play(self) -> None:
        """Both rounds, then the clock is let go in the third round's defence phase."""
        for number in (1, 2):
            self._defend(number)
            self._attack(number)
        self._reach(self._times(3).defence_opens_at)
        self._set_clock(None)
        self._say("Round 3 is open for defences: take part.")

    def result(self) -> dict[str, Any]:
        """The final standings of both rounds, as plain values."""
        with self._store.read() as session:
            race = race_by_slug(session, SLUG)
            rounds = [_round_result(session, race, number) for number in (1, 2)]
            return {"race": race.slug, "rounds": rounds}

    def _rules(self) -> str:
        text = RULES.format(cells=CELLS, repetitions=REPETITIONS, test=3 * CELLS)
        for number in range(3):
            opens = self._begins_at + 6 * number * DAY
            moments = [opens, opens + 2 * DAY, opens + 3 * DAY, opens + 5 * DAY]
            if number == 2:  # open around the visitor's present, for a week
                moments = [opens, opens + 8 * DAY, opens + 9 * DAY, opens + 16 * DAY]
            defence, attack = ([moment.isoformat() for moment in pair] for pair in (moments[:2], moments[2:]))
            text += f"\n[[rounds]]\ndefence = [{', '.join(defence)}]\nattack = [{', '.join(attack)}]\n"
        return text

    def _person(self, name: str, *, staff: bool = False) -> Person:
        email = f"{name.lower()}@example.org"
        user_id = sign_in.add_user(self._store, email, name, staff=staff)
        return Person(user_id, email, name, staff)

    def _form_team(self, player: Player) -> None:
        captain, *others = (self._person(name) for name in player.people)
        races.join(self._store, captain, SLUG)
        teams.create_team(self._store, captain, SLUG, player.name)
        for other in others:
            races.join(self._store, other, SLUG)
            teams.accept_invitation(self._store, other, teams.invite(self._store, captain, SLUG))
        self._captains.append(captain)

    def _defend(self, number: int) -> None:
        opens_at, closes_at = self._times(number).defence_opens_at, self._times(number).defence_closes_at
        self._reach(opens_at)
        for index, player in enumerate(TEAMS):
            self._set_clock(opens_at + (index + 1) * dt.timedelta(hours=5))
            traces = _capture(player, index, number)
            if number == 1 and index + 1 == FAULTY_TEAM:
                self._send(index, "defence", _zipped(_with_faults(traces)), "first_try.csv.zip")
                self._wait_for_verdicts(number, "defence")
                self._set_clock(opens_at + (index + 1) * dt.timedelta(hours=5, minutes=20))
            self._send(index, "defence", _zipped(traces), f"defence_round_{number}.csv.zip")
            self._wait_for_verdicts(number, "defence")
        self._say_verdicts(number, "defence")
        if number == 1:
            self._set_clock(closes_at + LATE_BY)
            self._send_late(LATE_TEAM - 1)
        self._set_clock(closes_at + dt.timedelta(seconds=submissions.GRACE_S + 1))
        self._wait(lambda session: self._round(session, number).published_at is not None)
        self._say(f"Round {number} is drawn.")

    def _attack(self, number: int) -> None:
        opens_at, closes_at = self._times(number).attack_opens_at, self._times(number).attack_closes_at
        self._reach(opens_at)
        if number == 1:
            self._set_clock(opens_at + dt.timedelta(hours=1))
            self._practise()
        for index, player in enumerate(TEAMS):
            self._set_clock(opens_at + (index + 1) * dt.timedelta(hours=5))
            predictions = self._predict(index, player.attack, number)
            self._send(index, "attack", _zipped(predictions), f"attack_round_{number}.csv.zip")
            self._wait_for_verdicts(number, "attack")
        self._say_verdicts(number, "attack")
        self._reach(closes_at + dt.timedelta(seconds=submissions.GRACE_S + 1))
        self._say(f"Round {number} is over.")

    def _practise(self) -> None:
        """Two teams try their classifiers on the house; nobody waits for the verdicts."""
        self._wait(lambda session: practice_of(session, race_by_slug(session, SLUG).id) is not None)
        with self._store.read() as session:
            practice = practice_of(session, race_by_slug(session, SLUG).id)
            files = practice.files if practice else {}
        for index in PRACTISING:
            kind = TEAMS[index].attack
            self._send(index, "practice", _zipped(self._guess(files, kind)), f"practice_{kind}.csv.zip")

    def _predict(self, index: int, kind: str, number: int) -> pl.DataFrame:
        """What a team does at home with its bundles."""
        with self._store.read() as session:
            race = race_by_slug(session, SLUG)
            team = team_of(session, race.id, self._captains[index].user_id)
            matches = matches_of_attacker(session, self._round(session, number).id, team.id if team else 0)
            bundles = [match.files or {} for match in matches]
        return pl.concat([self._guess(files, kind) for files in bundles])

    def _guess(self, files: Mapping[str, Any], kind: str) -> pl.DataFrame:
        """Learn from the training set of one match, guess its test set."""
        train, test = (self._download(files[name]["sha256"]) for name in ("train.csv.zip", "test.csv.zip"))
        return attacks.predict(train, test, kind, seed=SEED, classes=CELLS)

    def _download(self, sha256: str) -> pl.DataFrame:
        with zipfile.ZipFile(self._store.blobs.path(sha256)) as archive:
            return pl.read_csv(archive.read(archive.namelist()[0]))

    def _send(self, index: int, kind: submissions.Kind, data: bytes, file_name: str) -> None:
        upload = submissions.open_upload(self._store, self._captains[index], SLUG, kind)
        blob = self._store.blobs.receive(io.BytesIO(data).read, upload.upload_max_bytes)
        key = f"{index}-{kind}-{file_name}"
        submissions.receive(self._store, self._bell, upload, blob, file_name, key)
        self._say(f"{TEAMS[index].name} sent {file_name}.")

    def _send_late(self, index: int) -> None:
        try:
            self._send(index, "defence", b"better late than never", "too_late.csv.zip")
        except PhaseClosed as refusal:
            self._say(f"{TEAMS[index].name} was refused: {refusal.sentence}")

    def _wait_for_verdicts(self, number: int, kind: str) -> None:
        """Before the clock goes on: a verdict bears the moment at which it came."""
        self._wait(lambda session: not _pending(session, self._round(session, number), kind))

    def _say_verdicts(self, number: int, kind: str) -> None:
        with self._store.read() as session:
            race = race_by_slug(session, SLUG)
            sent = submissions_of_race(session, race.id)
            states = [one.job.state for one in sent if one.kind == kind and one.round.number == number]
        self._say(f"Round {number}: {states.count(ACCEPTED)} of {len(states)} {kind} files accepted.")

    def _wait(self, is_done: Callable[[Session], bool]) -> None:
        while True:
            with self._store.read() as session:
                if is_done(session):
                    return
            time.sleep(POLL_S)

    def _round(self, session: Session, number: int) -> Round:
        return round_by_number(session, race_by_slug(session, SLUG).id, number)

    def _times(self, number: int) -> Round:
        with self._store.read() as session:
            return self._round(session, number)

    def _reach(self, moment: dt.datetime) -> None:
        """Come to a moment of which everybody is told at that moment, not at the next one that the clock jumps to."""
        self._set_clock(moment)
        announce(self._store)

    def _set_clock(self, shows_at: dt.datetime | None) -> None:
        with self._store.work() as session:
            clock.simulate(session, shows_at)


def _pending(session: Session, in_round: Round, kind: str) -> bool:
    return bool(states_of_round(session, in_round.id, kind).keys() & set(PENDING))


def _round_result(session: Session, race: Race, number: int) -> dict[str, Any]:
    rows = standings.round_standings(session, race, round_by_number(session, race.id, number))
    return {
        "number": number,
        "standings": [
            {
                "rank": row.rank,
                "team": row.team.name,
                "utility": row.utility,
                "attack": row.attack,
                "total": row.total,
            }
            for row in rows
        ],
    }


def _capture(player: Player, index: int, number: int) -> pl.DataFrame:
    """A team's own captures of the same map, fresh ones in each round, behind its defence."""
    start = REPETITIONS * (10 * number + index)
    traces = simulate(CELLS, REPETITIONS, seed=SEED, start=start)
    traces = traces.with_columns(pl.col("rep") - start)
    return traces if player.defend is None else player.defend(traces, SEED + start)


def _with_faults(traces: pl.DataFrame) -> pl.DataFrame:
    """The faults that a report should name: a cell forgotten, a size of 0, a time that is none."""
    forgotten = traces.filter(pl.col("cell_id") != 17).with_row_index("line", offset=2)
    return forgotten.select(
        "cell_id",
        "rep",
        direction_size=pl.when(pl.col("line") == 1234).then(0).otherwise(pl.col("direction_size")),
        timestamp=pl.when(pl.col("line") == 2345).then(float("nan")).otherwise(pl.col("timestamp")),
    )


def _zipped(table: pl.DataFrame) -> bytes:
    with tempfile.SpooledTemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            entry = zipfile.ZipInfo("traces.csv", date_time=(2022, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, table.write_csv(float_precision=6))
        file.seek(0)
        return file.read()

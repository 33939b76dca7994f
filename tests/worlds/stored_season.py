"""A season from stored uploads: six teams, two rounds, five cells; nothing in it is left to chance or to a classifier.

``PYTHONPATH=tests python -m worlds.stored_season`` writes the uploads anew (and with them the standings), from the
simulator and two simple guessers; needed only when a format changes on purpose.
"""

from __future__ import annotations

import csv
import io
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from srs.game.race import read_rules
from srs.judging.bundle import Bundle
from srs.server.bell import SilentBell
from srs.server.config import Config
from srs.server.services import races, rounds, sign_in, standings, submissions, teams
from srs.server.services.access import Person
from srs.server.store import clock
from srs.server.store.engine import Store
from srs.server.store.matches import Match, matches_of_attacker
from srs.server.store.migrations import migrate
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.teams import team_of
from worlds.judged import judge_all

FOLDER = Path(__file__).parents[1] / "golden"
SLUG, SEED, CELLS, REPETITIONS, TEAMS = "stored", 1, 5, 6, 6
COLUMNS = ("round", "rank", "team", "utility", "attack", "total")
RULES = f"""
slug = "{SLUG}"
title = "Stored"
[joining]
how = "open"
[classes]
count = {CELLS}
[traces]
repetitions = [4, {REPETITIONS}]
[split]
test_traces = 10
test_pool = 10
[[rounds]]
defence = [2027-04-01T00:00:00Z, 2027-04-02T00:00:00Z]
attack = [2027-04-03T00:00:00Z, 2027-04-04T00:00:00Z]
[[rounds]]
defence = [2027-04-05T00:00:00Z, 2027-04-06T00:00:00Z]
attack = [2027-04-07T00:00:00Z, 2027-04-08T00:00:00Z]
"""

Upload = Callable[[int, str, int, list[Match]], bytes]


def stored_upload(round_number: int, kind: str, team: int, _matches: list[Match]) -> bytes:
    """The file that a team sent."""
    return (FOLDER / "uploads" / f"round_{round_number}_{kind}_{team}.csv.zip").read_bytes()


def play(store: Store, upload: Upload) -> list[dict[str, str]]:
    """Receive, judge, draw, prepare and rank; the final standings of both rounds, floats as Python writes them."""
    dana = Person(sign_in.add_user(store, "dana@example.org", staff=True), "dana@example.org", "Dana", is_staff=True)
    _set_clock(store, 1, "defence")
    races.create_race(store, dana, RULES, randbytes=random.Random(SEED).randbytes)
    captains = [_captain(store, number) for number in range(1, TEAMS + 1)]
    for number in (1, 2):
        for kind in ("defence", "attack"):
            _set_clock(store, number, kind)
            for team, captain in enumerate(captains, start=1):
                data = upload(number, kind, team, _matches(store, captain, number))
                permission = submissions.open_upload(store, captain, SLUG, kind)
                blob = store.blobs.put(data)
                submissions.receive(store, SilentBell(), permission, blob, "file.csv.zip", f"{number}-{kind}-{team}")
            _judge_all(store)
            _set_clock(store, number, kind, after=True)
            rounds.advance(store, SilentBell())
            _judge_all(store)
            rounds.advance(store, SilentBell())
    with store.read() as session:
        race = race_by_slug(session, SLUG)
        return [
            dict(
                zip(
                    COLUMNS,
                    map(str, (number, row.rank, row.team.number, row.utility, row.attack, row.total)),
                    strict=True,
                )
            )
            for number in (1, 2)
            for row in standings.round_standings(session, race, round_by_number(session, race.id, number))
        ]


def _captain(store: Store, number: int) -> Person:
    email = f"captain{number}@example.org"
    person = Person(sign_in.add_user(store, email), email, f"Captain {number}", is_staff=False)
    races.join(store, person, SLUG)
    teams.create_team(store, person, SLUG, f"Team number {number}")
    return person


def _set_clock(store: Store, number: int, kind: str, *, after: bool = False) -> None:
    times = read_rules(RULES).rounds[number - 1]
    opens_at, closes_at = times.defence if kind == "defence" else times.attack
    with store.work() as session:
        clock.simulate(session, closes_at + rounds.GRACE if after else opens_at)


def _matches(store: Store, captain: Person, number: int) -> list[Match]:
    with store.read() as session:
        race = race_by_slug(session, SLUG)
        team = team_of(session, race.id, captain.user_id)
        of_round = round_by_number(session, race.id, number)
        return matches_of_attacker(session, of_round.id, team.id if team else 0)


def _judge_all(store: Store) -> None:
    for result in judge_all(store):
        assert isinstance(result, Bundle) or result.accepted, result


def _write_anew() -> None:
    from srs.lab import attacks, defences
    from srs.lab.simulate import simulate

    kinds = [_undefended, defences.full_packets, defences.dummies, defences.front, _undefended, defences.full_packets]

    def fresh_upload(number: int, kind: str, team: int, matches: list[Match]) -> bytes:
        if kind == "defence":
            table = simulate(CELLS, REPETITIONS, seed=SEED, start=100 * number + 10 * team)
            table = table.group_by("cell_id", "rep", maintain_order=True).head(80)
            table = kinds[team - 1](table, SEED).group_by("cell_id", "rep", maintain_order=True).head(120)
            table = table.with_columns(pl.col("rep") - 100 * number - 10 * team)
        else:
            table = pl.concat(
                attacks.predict(*(_table(store, match, name) for name in ("train", "test")), method, 1, classes=CELLS)
                for match in matches
                for method in ["neighbours" if team % 2 else "forest"]
            )
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            entry = zipfile.ZipInfo("file.csv", date_time=(2027, 4, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, table.write_csv(float_precision=6))
        (FOLDER / "uploads" / f"round_{number}_{kind}_{team}.csv.zip").write_bytes(file.getvalue())
        return file.getvalue()

    with tempfile.TemporaryDirectory() as folder:
        config = Config(Path(folder), f"sqlite:///{folder}/srs.sqlite", "x" * 40)
        migrate(config)
        store = Store(config)
        rows = play(store, fresh_upload)
        store.close()
    with (FOLDER / "standings.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _undefended(traces: pl.DataFrame, _seed: int) -> pl.DataFrame:
    return traces


def _table(store: Store, match: Match, name: str) -> pl.DataFrame:
    files = match.files or {}
    with zipfile.ZipFile(store.blobs.path(files[f"{name}.csv.zip"]["sha256"])) as archive:
        return pl.read_csv(archive.read(archive.namelist()[0]))


if __name__ == "__main__":
    sys.exit(_write_anew())

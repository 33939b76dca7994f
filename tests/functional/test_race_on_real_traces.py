"""A race from registration to the final standings of two rounds, through HTTP alone.

Every day three teams race on a few cells that are made up, at full size five on real captures. Each takes repetitions
of its own; in round 2 one sends everything there is. The only thing that the test does beside the people's clicks is to
set the race's clock.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile

import numpy as np
import polars as pl
import pytest
from bs4 import BeautifulSoup

from fixtures.live import Postbox, Visitor, post_office, running_server, wait_for
from fixtures.reference import REAL_TRACES, read_packets, reads_real_captures
from fixtures.sizes import FULL, size
from srs.game.race import read_rules
from srs.lab import attacks
from srs.lab.simulate import simulate
from srs.server.config import Config
from srs.server.services.sign_in import add_user, make_sign_in_link
from srs.server.store import clock
from srs.server.store.engine import Store

CELLS = size(8, 100)
NAMES = ("Ada", "Ben", "Cleo", "Dario", "Elif")[: size(3, 5)]
MATCHES = size(1, 2)
"""For each team in each round."""

RULES = f"""
slug = "real"
title = "A race on real traces"
timezone = "Europe/Zurich"
[joining]
how = "code"
code = "walnut"
team_size_max = 1
[classes]
count = {CELLS}
[traces]
repetitions = [3, 39]
[split]
test_traces = {CELLS}
test_pool = {CELLS}
[matches]
per_team = {MATCHES}
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
[[rounds]]
defence = [2027-04-27T08:00:00, 2027-05-01T18:00:00]
attack = [2027-05-02T08:00:00, 2027-05-08T18:00:00]
"""


def set_clock(store: Store, moment: dt.datetime) -> None:
    with store.work() as session:
        clock.simulate(session, moment)


def trace_sets(number: int, whole: pl.DataFrame, file: bytes) -> dict[str, bytes]:
    """Each team's file in a round: repetitions that nobody else sends; in round 2 the last team sends the whole file.

    What round 1 published with labels can only be trained on in round 2, so round 2 takes other repetitions.
    """
    rep = pl.col("rep")
    if number == 1:
        return {name: zipped(whole.filter(rep < 20, rep % 5 == fifth)) for fifth, name in enumerate(NAMES)}
    quarters = {name: zipped(whole.filter(rep >= 20, rep % 4 == quarter)) for quarter, name in enumerate(NAMES[:-1])}
    return {**quarters, NAMES[-1]: file}


def zipped(table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("traces.csv", table.write_csv(float_precision=6))
    return file.getvalue()


def downloaded(person: Visitor, number: int) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """(train, test) of every match of a round, through the links of the attack page."""
    links = [str(link["href"]) for link in person.page(f"/races/real/attack?round={number}").select(".files a")]
    bundles = []
    for train in (link for link in links if link.endswith("/train.csv.zip")):
        pair = []
        for address in (train, train.replace("train", "test")):
            answer = person.client.get(address)
            assert answer.status_code == 200
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                pair.append(pl.read_csv(archive.read(archive.namelist()[0])))
        bundles.append((pair[0], pair[1]))
    return bundles


def guesses(person: Visitor, number: int) -> bytes:
    """A quick classifier's predictions for every match, rows and columns shuffled as nobody would."""
    tables = [
        attacks.predict(train, test, "neighbours", 1, classes=CELLS) for train, test in downloaded(person, number)
    ]
    assert len(tables) == MATCHES
    table = pl.concat(tables).sample(fraction=1.0, shuffle=True, seed=number)
    columns = list(np.random.default_rng(number).permutation(table.columns))
    return zipped(table.select(columns))


def form_teams(base_url: str, postbox: Postbox) -> dict[str, Visitor]:
    people = {name: Visitor(base_url).register(postbox, name) for name in NAMES}
    for name, person in people.items():
        assert person.submit("/races/real", "/join", code="walnut").status_code == 200
        assert person.submit("/races/real/team", "/create", name=f"Team of {name}").status_code == 200
    return people


def play_round(store: Store, people: dict[str, Visitor], sets: dict[str, bytes], number: int) -> None:
    times = read_rules(RULES).rounds[number - 1]
    hour = dt.timedelta(hours=1)
    set_clock(store, times.defence[0] + hour)
    sent = {name: person.send("real", "defence", sets[name], f"{name}.csv.zip") for name, person in people.items()}
    assert {name: people[name].verdict(path) for name, path in sent.items()} == dict.fromkeys(people, "accepted")
    set_clock(store, times.attack[0] + hour)
    any_person = next(iter(people.values()))
    wait_for(lambda: any_person.page(f"/races/real/attack?round={number}").select_one(".files a") and "drawn")
    sent = {
        name: person.send("real", "attack", guesses(person, number), "guess.csv.zip") for name, person in people.items()
    }
    assert {name: people[name].verdict(path) for name, path in sent.items()} == dict.fromkeys(people, "accepted")
    set_clock(store, times.attack[1] + 2 * hour)  # the phase opened an hour late and keeps its full length


@pytest.mark.skipif(
    not FULL or REAL_TRACES.exists(),
    reason="every day a whole round is played in a browser; at full size real captures take its place",
)
def test_three_teams_from_registration_to_final_standings(sqlite_config: Config) -> None:
    traces = simulate(CELLS, 36, seed=5)
    race(sqlite_config, traces, zipped(traces))


@reads_real_captures
def test_five_teams_with_real_captures_from_registration_to_final_standings(sqlite_config: Config) -> None:
    race(sqlite_config, read_packets(REAL_TRACES), REAL_TRACES.read_bytes())


def race(config: Config, traces: pl.DataFrame, file: bytes) -> None:
    """Both rounds, by everybody's clicks."""
    store = Store(config)
    set_clock(store, read_rules(RULES).rounds[0].defence[0])
    dana = make_sign_in_link(store, add_user(store, "dana@example.org", "Dana", staff=True))
    with (
        post_office() as (smtp_url, postbox),
        running_server(config.data, config.database_url, smtp_url) as base_url,
    ):
        staff = Visitor(base_url)
        staff.submit(f"/sign-in/{dana}", f"/sign-in/{dana}")
        preview = staff.submit("/staff/races/new", "/preview", toml=RULES)
        created = staff.fill_in(BeautifulSoup(preview.text, "html.parser"), "/staff/races/new")
        assert created.url.path == "/staff/races/real", created.text
        people = form_teams(base_url, postbox)
        for number in (1, 2):
            play_round(store, people, trace_sets(number, traces, file), number)
            rows = people["Ada"].standings("real", number)
            assert [row[0] for row in rows] == [str(rank) for rank in range(1, len(NAMES) + 1)]
            assert f"Round {number}, final" in people["Ada"].page(f"/races/real/rounds/{number}").get_text()
        for person in (staff, *people.values()):
            person.client.close()
    store.close()

"""A round that is drawn while the files of its matches are prepared: whom the draw pairs is to be seen nowhere.

Every page is looked at twice, by everybody, and in between the draw is exchanged for another one: each team attacks
somebody else. Where nothing of the draw is shown, nothing changes.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

import pytest
from flask import Flask
from sqlalchemy import select

from fixtures.clients import BASE_URL, Browser, soup, text_of
from fixtures.every_page import people_who_look, readable
from fixtures.routes import path_to, values_of
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.services import races, rounds, teams
from srs.server.services.access import Person
from srs.server.store.engine import Store
from srs.server.store.jobs import BUNDLE, PARKED, Job
from srs.server.store.matches import matches_of_round
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.scores import latest_defences
from srs.server.store.teams import team_by_number
from worlds.played_round import Played, accept_defence, play, send
from worlds.small_race import PAUSE, PHASE, STARTS_AT, People, add_person, populate, race_toml, set_clock

DEFENCE_2_AT = STARTS_AT + 2 * (PHASE + PAUSE)
DRAWN_AT = DEFENCE_2_AT + PHASE + dt.timedelta(minutes=10)
LATE_AT = DEFENCE_2_AT + PHASE + PAUSE + dt.timedelta(hours=1)
"""When the attack phase should be open, and the files of its matches are not ready."""
FILES = ("train.csv.zip", "test.csv.zip", "train.parquet", "test.parquet", "manifest.json", "README.md")
DRAWING = "Round 2: the draw is being made"
WITH_A_CLOCK = [
    *(f"/races/small{end}" for end in ("", "/rules", "/leaderboard", "/rounds/2", "/teams/1", "/practice", "/attack")),
    *(f"/staff/races/small{end}" for end in ("", "/draw?round=2", "/audit")),
]
FILES_OF_MATCHES = [f"/races/small/rounds/2/matches/{defender}/test.parquet" for defender in (1, 2, 3)]
TAKE_A_ROUND = ("submissions.attack", "staff_races.draw", "staff_races.overview")
WHERE_A_DRAW_IS_SHOWN = ("/races/small/rules", "/races/small/attack?round=2", "/staff/races/small/draw?round=2")
Seen = tuple[int, str]
PAGES_AT_LEAST = {"stranger": 15, "student": 30, "without a team": 25, "staff": 30}


@pytest.fixture
def sent(server: Server) -> tuple[People, Played]:
    """Three teams whose second round is drawn: the files of one match are ready, those of the others are not."""
    store = server.store
    people = populate(store, race_toml(visibility="public").replace("per_team = 2", "per_team = 1"))
    played = play(store, people)
    set_clock(store, DEFENCE_2_AT + dt.timedelta(hours=1))
    elif_ = add_person(store, "Elif")
    races.join(store, elif_, people.slug)
    teams.create_team(store, elif_, people.slug, "Walnuts")
    for utility, person in enumerate((people.ada, people.cleo, elif_), start=4):
        accept_defence(store, people.slug, send(store, person, people.slug, "defence", person.name.encode()), utility)
    set_clock(store, DRAWN_AT)
    rounds.advance(store, SilentBell())
    prepare_one(store, people.slug)
    return people, played


def prepare_one(store: Store, slug: str) -> None:
    """The files of Ada's match are ready, and the job that prepares those of the next team is parked."""
    blobs = {name: store.blobs.put(f"{name} of the match".encode() * 100) for name in FILES}
    labels = store.blobs.put(b"labels of the match")
    with store.work() as session:
        drawn = round_by_number(session, race_by_slug(session, slug).id, 2)
        assert (drawn.drawn_at, drawn.published_at) == (DRAWN_AT, None)
        ready, waits, _ = matches_of_round(session, drawn.id)
        ready.files = {name: {"sha256": blob.sha256, "size_bytes": blob.size_bytes} for name, blob in blobs.items()}
        ready.labels_sha256 = labels.sha256
        job = session.scalars(select(Job).where(Job.kind == BUNDLE, Job.match_id == waits.id)).one()
        job.state, job.crashes = PARKED, 5


def draw_otherwise(store: Store, slug: str) -> None:
    """Of the two ways in which three teams can each attack one, the other one."""
    with store.work() as session:
        drawn = round_by_number(session, race_by_slug(session, slug).id, 2)
        matches = matches_of_round(session, drawn.id)
        ends = [(match.defender_id, match.defence_id) for match in matches]
        by_team = {defender_id: (defender_id, defence_id) for defender_id, defence_id in ends}
        for match in matches:
            [other] = by_team.keys() - {match.attacker_id, match.defender_id}
            match.defender_id, match.defence_id = by_team[other]


def secrets_of(store: Store, slug: str) -> list[str]:
    """What leads to the draw or to its files: the seeds, and the names of the blobs."""
    with store.read() as session:
        drawn = round_by_number(session, race_by_slug(session, slug).id, 2)
        matches = matches_of_round(session, drawn.id)
        seeds = [drawn.draw_seed, *(match.order_seed for match in matches)]
        files = [file["sha256"] for match in matches for file in (match.files or {}).values()]
        labels = [match.labels_sha256 for match in matches if match.labels_sha256]
        return [*(seed.hex() for seed in seeds), *files, *labels]


def publish(store: Store, slug: str) -> None:
    """The attack phase opens: every match is shown to its attacker, and the draw to everybody."""
    with store.work() as session:
        drawn = round_by_number(session, race_by_slug(session, slug).id, 2)
        drawn.published_at = LATE_AT


def every_path(app: Flask, server: Server, people: People, played: Played) -> list[str]:
    """Every page and file of the route table, those of a round for both rounds; the files of every match there is."""
    values = values_of(people, played, 0, teams.invite(server.store, people.cleo, people.slug))
    of_round_2 = {**values, "number": 2, "public_id": latest_of(server.store, people.slug)}
    endpoints = readable(app)
    paths = {path_to(app, endpoint, found) for endpoint in endpoints for found in (values, of_round_2)}
    shown = {f"{path_to(app, endpoint, values)}?round=2" for endpoint in TAKE_A_ROUND}
    return sorted(paths | shown | set(FILES_OF_MATCHES))


def latest_of(store: Store, slug: str) -> str:
    """The public id of the defence that Ada's team has in the draw."""
    with store.read() as session:
        race = race_by_slug(session, slug)
        drawn = round_by_number(session, race.id, 2)
        return latest_defences(session, drawn)[team_by_number(session, race.id, 1).id].submission.public_id


def look_around(browser: Browser, paths: Iterable[str]) -> dict[str, Seen]:
    """Status and content of each page, without what is new in every answer: tokens of forms, ids of requests."""
    seen = {}
    for path in paths:
        answer = browser.get(path)
        content = answer.get_data().decode(errors="replace")
        seen[path] = (answer.status_code, re.sub(r'<input[^>]*type="hidden"[^>]*>|\b[0-9a-f]{16}\b', "", content))
        with browser.client.session_transaction(base_url=BASE_URL) as kept:
            kept.pop("_flashes", None)  # what a page would say because of the one before
    return seen


def test_nothing_of_a_draw_is_shown_to_anybody_before_it_is_published(
    app: Flask, server: Server, sent: tuple[People, Played]
) -> None:
    """Nor can the files of a match that are ready be had; the seed is in the audit log, for staff."""
    store, (people, played) = server.store, sent
    hidden = secrets_of(store, people.slug)
    paths = every_path(app, server, people, played)
    set_clock(store, LATE_AT)
    browsers = {role: browser_of(app, store, person) for role, person in people_who_look(people).items()}
    first = {role: look_around(browser, paths) for role, browser in browsers.items()}
    told = {(role, path) for role, seen in first.items() for path, (_, text) in seen.items() if holds(text, hidden)}
    assert told <= {("staff", "/staff/races/small/audit")}
    for role, seen in first.items():
        statuses = [status for status, _ in seen.values()]
        assert set(statuses) <= {200, 302, 403, 404}, role
        assert statuses.count(200) >= PAGES_AT_LEAST[role], role
        assert {seen[path][0] for path in FILES_OF_MATCHES} <= {302, 403, 404}, role

    draw_otherwise(store, people.slug)
    for role, seen in first.items():
        again = look_around(browsers[role], [path for path, (status, _) in seen.items() if status == 200])
        assert [path for path in again if again[path] != seen[path]] == [], role

    publish(store, people.slug)  # and the same looks find it all
    shown = {role: look_around(browser, WHERE_A_DRAW_IS_SHOWN) for role, browser in browsers.items()}
    assert all(holds(seen["/races/small/rules"][1], hidden[:1]) for seen in shown.values())
    draw_otherwise(store, people.slug)
    for role, path in (("student", "/races/small/attack?round=2"), ("staff", "/staff/races/small/draw?round=2")):
        assert look_around(browsers[role], [path])[path] != shown[role][path]


def holds(text: str, hidden: list[str]) -> bool:
    return any(one in text for one in hidden)


def browser_of(app: Flask, store: Store, person: Person | None) -> Browser:
    return Browser(app) if person is None else Browser(app).sign_in(person)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        (DRAWN_AT + dt.timedelta(minutes=10), "the attack phase opens at 2027-04-16 11:00 CEST"),
        (LATE_AT, "opens when the files of every match are ready, and keeps its full length"),
    ],
    ids=["in time", "late"],
)
def test_every_page_says_that_the_draw_is_being_made(
    app: Flask, server: Server, sent: tuple[People, Played], moment: dt.datetime, opens: str
) -> None:
    people, _ = sent
    set_clock(server.store, moment)
    for role, person in people_who_look(people).items():
        browser = browser_of(app, server.store, person)
        pages = {path: browser.get(path) for path in WITH_A_CLOCK}
        for path, page in pages.items():
            clock = soup(page).select_one("#clock")
            assert page.status_code in (302, 403) or (clock and clock.get_text(strip=True) == DRAWING), (role, path)
        home = text_of(pages["/races/small"])
        assert "Round 2 of 2: drawing" in home, role
        assert opens in home, role
    attack = text_of(browser_of(app, server.store, people.ada).get("/races/small/attack?round=2"))
    assert "The draw is being made and the files of the matches prepared." in attack
    overview = text_of(browser_of(app, server.store, people.dana).get("/staff/races/small"))
    assert ("the files of 2 matches are still being prepared" in overview) == (moment == LATE_AT)

"""Staff's home of a race: what needs a human, the timeline, one line for each team, however many teams there are."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from sqlalchemy import event

from fixtures.clients import Browser, text_of
from fixtures.tables import hashes
from srs.server.bootstrap import Server
from srs.server.services import races, teams
from srs.server.services.sign_in import make_sign_in_link
from srs.server.store.engine import database_now
from srs.server.store.jobs import PARKED, REJECTED, RUNNING, Job
from srs.server.store.rounds import Round
from srs.server.store.scores import DefenceScore
from srs.traces.report import Problem
from worlds.played_round import Played, play, send, set_state
from worlds.small_race import IN_ATTACK, PHASE, STARTS_AT, People, add_person, populate, race_toml, set_clock

HOME = "/staff/races/small"


@pytest.fixture
def dana(app: Flask, server: Server, people: People) -> Browser:
    """Dana's browser."""
    return Browser(app).sign_in(people.dana)


def section(browser: Browser, name: str, path: str = HOME) -> str:
    """The words of one section of the page."""
    return words(browser.page(path).find("section", {"aria-labelledby": name}))


def words(tag: Tag | BeautifulSoup | None) -> str:
    """The words of a part of a page."""
    assert tag is not None
    return re.sub(r"\s+", " ", tag.get_text(" ")).strip()


def lines(browser: Browser, path: str = HOME) -> dict[int, dict[str, str]]:
    """The cells of each team's line by the head of their column."""
    table = browser.page(path).find("section", {"aria-labelledby": "teams"}).find("table")  # type: ignore[union-attr]
    cells = {}
    for row in table.tbody.find_all("tr"):  # type: ignore[union-attr]
        of = {str(cell["data-label"]): words(cell) for cell in row.find_all("td") if cell.has_attr("data-label")}
        of["Team"] = words(row.th)
        cells[int(of["Team"].split()[0])] = of
    return cells


def lease(server: Server, left: dt.timedelta) -> None:
    """Every job's worker has this long to go, by the database's clock."""
    with server.store.work() as session:
        for job in session.query(Job):
            job.lease_until = database_now(session) + left


def test_nothing_needs_anybody(dana: Browser, server: Server) -> None:
    set_clock(server.store, STARTS_AT - dt.timedelta(hours=1))
    needs = section(dana, "needs")
    assert "Nothing needs a human now" in needs
    assert "No job waits" in needs
    assert "No worker has taken a job of this race yet." in needs


def test_the_lines_of_the_teams(dana: Browser, server: Server, people: People) -> None:
    """Members, the defence that counts, attacks of matches, last seen."""
    public_id = send(server.store, people.ada, "small", "defence", b"x")
    assert lines(dana)[1]["Defence"] == "queued"
    set_state(server.store, "small", public_id, REJECTED)
    cells = lines(dana)
    assert cells[1]["Defence"] == "rejected"
    assert cells[2]["Defence"] == "none"
    assert cells[1]["Members"] == "Ada , Ben"
    assert cells[1]["Last seen"] == "upload less than a minute ago, no sign-in"
    assert cells[2]["Last seen"] == "no upload, no sign-in"
    assert cells[1]["Attacked"] == "–"


def test_the_lines_of_a_played_round(app: Flask, dana: Browser, server: Server, people: People, played: Played) -> None:
    cleo, link = Browser(app), f"/sign-in/{make_sign_in_link(server.store, people.cleo.user_id)}"
    assert cleo.submit(cleo.page(link), link).status_code == 303
    set_clock(server.store, IN_ATTACK + dt.timedelta(hours=3))
    cells = lines(dana, f"{HOME}?round=1")
    assert cells[1]["Defence"] == "accepted utility 5.00"
    assert cells[1]["Attacked"] == "1 of 1"
    assert "signal" not in cells[1]["Defence"]
    assert cells[2]["Last seen"] == "upload 3 h 0 min ago, sign-in 3 h 0 min ago"
    assert lines(dana, f"{HOME}?round=2")[1]["Defence"] == "none"
    assert dana.get(f"{HOME}?round=7").status_code == 404


def test_a_password_is_a_sign_in_too(
    app: Flask, dana: Browser, server: Server, people: People, stranger: Browser
) -> None:
    """Whoever logs in is seen, by link or by password; a wrong password is not."""
    fields = {"email": "ada@example.org", "password": "wrong password, quite"}
    assert stranger.submit(stranger.page("/login"), "/login", **fields).status_code == 200
    assert lines(dana)[1]["Last seen"] == "no upload, no sign-in"
    set_password(server, people, "correct horse battery staple", app)
    assert stranger.submit(stranger.page("/login"), "/login", email="ada@example.org",
                           password="correct horse battery staple").status_code == 302  # fmt: skip
    assert lines(dana)[1]["Last seen"] == "no upload, sign-in less than a minute ago"


def set_password(server: Server, people: People, password: str, app: Flask) -> None:
    """Give Ada a password."""
    from flask_security import hash_password

    from srs.server.store.accounts import User

    with app.app_context():
        hashed = hash_password(password)
    with server.store.work() as session:
        session.get_one(User, people.ada.user_id).password = hashed


def test_parked_jobs_and_waiting_ones(dana: Browser, server: Server, people: People) -> None:
    public_id = send(server.store, people.ada, "small", "defence", b"x")
    assert "1 job waits, the oldest for less than a minute" in section(dana, "needs")
    assert "has waited" not in section(dana, "needs"), "a moment's wait is nobody's business"
    with server.store.work() as session:
        session.query(Job).one().queued_at -= dt.timedelta(minutes=30)
    assert "has waited 30 minutes and no worker is at work" in section(dana, "needs")
    set_state(server.store, "small", public_id, RUNNING)
    lease(server, dt.timedelta(minutes=1))
    assert "has waited" not in section(dana, "needs")
    assert "1 is being done" in section(dana, "needs")
    lease(server, -dt.timedelta(minutes=1))
    told = section(dana, "needs")
    assert "has waited 30 minutes and no worker is at work" in told, "the worker died, and so did its lease"
    assert "none is being done" in told
    set_state(server.store, "small", public_id, PARKED)
    assert "Parked after repeated crashes" in section(dana, "needs")


def test_who_asks_to_join(app: Flask, dana: Browser, server: Server, people: People) -> None:
    races.create_race(server.store, people.dana, race_toml("asked", joining='how = "approval"'))
    paul = Browser(app).sign_in(people.paul)
    paul.submit(paul.page("/races/asked"), "/join")
    page = dana.page("/staff/races/asked")
    assert "Paul (paul@example.org)" in words(page)
    assert dana.submit(page, "/approve").status_code == 303
    assert "Nothing needs a human now" in section(dana, "needs", "/staff/races/asked")


def test_teams_without_a_defence_shortly_before_the_deadline(dana: Browser, server: Server, people: People) -> None:
    set_clock(server.store, STARTS_AT + PHASE - dt.timedelta(hours=23))
    needs = section(dana, "needs")
    assert "2 teams without an accepted defence" in needs
    assert "1 Onions , 2 Garlic ." in needs
    teams.exclude_team(server.store, people.dana, "small", 2, "Left.")
    assert "1 team without an accepted defence" in section(dana, "needs")


def test_signals_are_looked_at_once(dana: Browser, server: Server, people: People, played: Played) -> None:
    """They stay on the list until somebody says so, which the audit log keeps."""
    with server.store.work() as session:
        for score in session.query(DefenceScore):
            score.signals, score.implausible = [Problem("trace.copies", "Copies.").to_json()], True
    assert "the signals of Onions, round 1" in section(dana, "needs")
    assert "1 signal of Garlic" in lines(dana, HOME)[2]["Defence"]
    page = dana.page(HOME)
    assert dana.submit(page, f"/{played.defences[1]}/looked-at").status_code == 303
    needs = section(dana, "needs")
    assert "Onions" not in needs
    assert "the signals of Garlic, round 1" in needs
    assert f"signals.looked-at, submission {played.defences[1]}" in text_of(dana.get(f"{HOME}/audit"))
    before = hashes(server.store)
    assert dana.submit(page, f"/{played.defences[1]}/looked-at").status_code == 409
    assert dana.post(f"{HOME}/submissions/{played.attacks[1]}/looked-at").status_code == 404
    assert dana.post(f"{HOME}/submissions/nothing/looked-at").status_code == 404
    assert hashes(server.store) == before


def test_signals_of_an_excluded_team_need_nobody_and_stay_on_its_line(
    dana: Browser, server: Server, people: People, played: Played
) -> None:
    with server.store.work() as session:
        for score in session.query(DefenceScore):
            score.signals = [Problem("trace.copies", "Copies.").to_json()]
    teams.exclude_team(server.store, people.dana, "small", 2, "Copied.")
    needs = section(dana, "needs")
    assert "the signals of Onions, round 1" in needs
    assert "Garlic" not in needs
    assert "1 signal of Garlic" in lines(dana, HOME)[2]["Defence"]


def test_a_draw_that_is_held(dana: Browser, server: Server, people: People) -> None:
    """Why the draw is late: verdicts, a parked defence, nobody who draws; files that are not ready; no match at all."""
    public_id = send(server.store, people.ada, "small", "defence", b"x")
    set_clock(server.store, STARTS_AT + PHASE + dt.timedelta(seconds=60))
    assert "The draw" not in section(dana, "needs"), "uploads that began in time may still end"
    set_clock(server.store, STARTS_AT + PHASE + dt.timedelta(minutes=5))
    assert "it waits for the verdicts of 1 team." in section(dana, "needs")
    set_state(server.store, "small", public_id, PARKED)
    assert "a parked defence holds it until 2027-04-14 08:30 CEST" in section(dana, "needs")
    set_state(server.store, "small", public_id, REJECTED)
    assert "nothing holds it" in section(dana, "needs")
    with server.store.work() as session:
        drawn = session.query(Round).filter_by(number=1).one()
        drawn.drawn_at = drawn.defence_closes_at
    assert "drawn without a match" in section(dana, "needs")


def test_files_that_are_late(dana: Browser, server: Server, people: People, played: Played) -> None:
    with server.store.work() as session:
        session.query(Round).filter_by(number=1).one().published_at = None
    assert "the files of 0 matches are still being prepared" in section(dana, "needs")


def test_the_timeline(dana: Browser, server: Server, people: People, played: Played) -> None:
    """A drawing with its name, and every boundary below it with its zone."""
    page = dana.page(HOME)
    drawing = page.find("svg")
    assert isinstance(drawing, Tag)
    assert drawing["role"] == "img"
    title = page.find(id=str(drawing["aria-labelledby"]))
    assert "Now: the attack phase of round 1, of 2." in words(title)  # type: ignore[arg-type]
    assert [words(text) for text in drawing.find_all("text")] == ["D1", "A1", "D2", "A2", "now"]
    assert not [tag for tag in drawing.find_all(True) if tag.has_attr("style")]
    below = words(page.find("section", {"aria-labelledby": "timeline"}))  # type: ignore[arg-type]
    for said in ("Round 1: attack", "Round 2: not begun", "2027-04-13 08:00 CEST (06:00 UTC)", "not yet"):
        assert said in below, said


def test_the_files_of_one_team(dana: Browser, server: Server, people: People, played: Played) -> None:
    page = dana.page(f"{HOME}/submissions?team=2")
    addresses = {str(link["href"]) for link in page.find_all("a")}
    assert f"/races/small/submissions/{played.defences[2]}" in addresses
    assert f"/races/small/submissions/{played.defences[1]}" not in addresses
    assert dana.get(f"{HOME}/submissions?team=9").status_code == 404
    assert "Nothing here yet" in text_of(dana.get(f"{HOME}/submissions?page=99999999999999999999"))


def test_many_files_come_in_pages(dana: Browser, server: Server, people: People) -> None:
    toml = race_toml("busy", tables="[limits]\ndefences_per_day = 100\nfaulty_per_day = 100\n")
    races.create_race(server.store, people.dana, toml)
    races.join(server.store, people.ada, "busy")
    teams.create_team(server.store, people.ada, "busy", "Busy")
    for number in range(51):
        send(server.store, people.ada, "busy", "defence", b"x" * (number + 1), f"file-{number}.csv")
    first, second = (text_of(dana.get(f"/staff/races/busy/submissions?page={page}")) for page in (1, 2))
    assert "page 1 of 2" in first
    assert "Older ones" in first
    assert "file-50.csv" in first
    assert "file-0.csv" not in first
    assert "file-0.csv" in second
    assert "Newer ones" in second


@contextmanager
def counted(server: Server) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(server.store.engine, "before_cursor_execute", note)
    yield statements
    event.remove(server.store.engine, "before_cursor_execute", note)


def test_as_many_queries_for_every_number_of_teams(app: Flask, server: Server) -> None:
    """No query for each team: the page of twelve teams costs what the page of two does, and at most 30."""
    people = populate(server.store)
    play(server.store, people)
    dana = Browser(app).sign_in(people.dana)
    few = cost(server, dana)
    for number in range(10):
        person = add_person(server.store, f"Person{number}")
        races.join(server.store, person, "small")
        teams.create_team(server.store, person, "small", f"Team of {number}")
    assert len(lines(dana)) == 12
    assert cost(server, dana) == few
    assert few <= 30


def cost(server: Server, browser: Browser) -> int:
    """How many queries one look takes."""
    with counted(server) as statements:
        assert browser.get(HOME).status_code == 200
    return sum(statement.startswith("SELECT") for statement in statements)

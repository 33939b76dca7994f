"""S1, S2: who reaches what, for every route; nobody reaches what belongs to another team."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from fixtures.clients import BASE_URL, Browser, text_of
from fixtures.routes import path_to, values_of
from fixtures.tables import hashes
from srs.server.bootstrap import Server
from srs.server.services import races, teams
from srs.server.store.engine import Store
from srs.server.store.jobs import PARKED
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.scores import DefenceScore
from worlds.played_round import Played, send, set_state
from worlds.small_race import (
    ATTACK_OPENS_AT,
    IN_ATTACK,
    IN_DEFENCE,
    People,
    add_person,
    disable,
    populate,
    race_toml,
    set_clock,
)

MINUTE = dt.timedelta(minutes=1)
ROLES = ("stranger", "person", "member", "team1", "team2", "disabled", "staff")

# What each role gets, in the order of ROLES: "ok" (the request was served, or refused for a reason of the game),
# "in" (sent to the log-in page), "403", "404".
ANYONE = ("ok",) * 7
SIGNED_IN = ("in", "ok", "ok", "ok", "ok", "in", "ok")
SIGNED_IN_ACTS = ("403", "ok", "ok", "ok", "ok", "403", "ok")
ENTRANTS = ("in", "403", "ok", "ok", "ok", "in", "ok")
TEAM_1 = ("in", "404", "404", "ok", "404", "in", "ok")
TEAM_1_MATCH = ("in", "403", "404", "ok", "404", "in", "404")
STAFF = ("in", "403", "403", "403", "403", "in", "ok")
STAFF_ACTS = ("403", "403", "403", "403", "403", "403", "ok")
TEAMS_ACT = ("403", "403", "403", "ok", "ok", "403", "403")
PERSON_JOINS = ("403", "ok", "403", "403", "403", "403", "403")
MEMBER_CREATES = ("403", "403", "ok", "403", "403", "403", "403")

TABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "static"): ANYONE,
    ("GET", "bootstrap.static"): ANYONE,
    ("GET", "assets.auto_css"): ANYONE,
    ("GET", "assets.htmx_js"): ANYONE,
    ("POST", "theme.choose"): ANYONE,
    ("GET", "home.index"): ANYONE,
    ("GET", "home.health"): ANYONE,
    ("GET", "security.login"): ANYONE,
    ("POST", "security.login"): ANYONE,
    ("GET", "security.register"): ANYONE,
    ("POST", "security.register"): ANYONE,
    ("GET", "security.forgot_password"): ANYONE,
    ("POST", "security.forgot_password"): ANYONE,
    ("GET", "security.reset_password"): ANYONE,
    ("POST", "security.reset_password"): ANYONE,
    ("GET", "security.send_confirmation"): ANYONE,
    ("POST", "security.send_confirmation"): ANYONE,
    ("GET", "security.confirm_email"): ANYONE,
    ("POST", "security.confirm_email"): ANYONE,
    ("GET", "security.change_password"): SIGNED_IN,
    ("POST", "security.change_password"): ("in", "ok", "ok", "ok", "ok", "in", "ok"),
    ("GET", "accounts.account"): SIGNED_IN,
    ("GET", "accounts.ask_to_sign_in"): ANYONE,
    ("POST", "accounts.sign_in_once"): ("404",) * 7,  # by a link that does not exist
    ("GET", "races.home"): SIGNED_IN,
    ("GET", "races.rules"): ENTRANTS,
    ("GET", "downloads.rules_file"): ENTRANTS,
    ("GET", "teams.mine"): ENTRANTS,
    ("POST", "teams.invite"): TEAMS_ACT,
    ("GET", "teams.invitation"): SIGNED_IN,
    ("GET", "teams.show"): ENTRANTS,
    ("GET", "submissions.defence"): ENTRANTS,
    ("POST", "submissions.send_defence"): TEAMS_ACT,
    ("GET", "submissions.attack"): ENTRANTS,
    ("POST", "submissions.send_attack"): TEAMS_ACT,
    ("GET", "submissions.show"): TEAM_1,
    ("GET", "submission_figures.figure"): TEAM_1,
    ("GET", "submission_figures.figure_against"): ("in", "404", "404", "404", "404", "in", "404"),  # its round is open
    ("GET", "downloads.submitted_file"): TEAM_1,
    ("GET", "matches.file"): TEAM_1_MATCH,
    ("GET", "practice.show"): ENTRANTS,
    ("GET", "practice.file"): ENTRANTS,
    ("POST", "practice.send"): TEAMS_ACT,
    ("GET", "leaderboard.overall"): ENTRANTS,
    ("GET", "leaderboard.of_round"): ENTRANTS,
    ("GET", "leaderboard.class_figure"): ENTRANTS,
    ("GET", "leaderboard.defences_figure"): ("in", "403", "404", "404", "404", "in", "404"),  # the round is not over
    ("GET", "teams.way_figure"): ENTRANTS,
    ("GET", "notices.index"): SIGNED_IN,
    ("GET", "notices.choices"): SIGNED_IN,
    ("POST", "notices.choose"): SIGNED_IN_ACTS,
    ("POST", "notices.open_one"): ("403", "404", "404", "ok", "404", "403", "404"),
    ("POST", "notices.read_all"): SIGNED_IN_ACTS,
    ("GET", "staff.index"): STAFF,
    ("GET", "staff.new_race"): STAFF,
    ("POST", "staff.fill_in"): STAFF_ACTS,
    ("POST", "staff.preview_race"): STAFF_ACTS,
    ("POST", "staff.keep_toml"): STAFF_ACTS,
    ("POST", "staff.create_race"): STAFF_ACTS,
    ("GET", "staff_races.overview"): STAFF,
    ("GET", "staff_races.submissions"): STAFF,
    ("GET", "staff_races.toml"): STAFF,
    ("GET", "staff_races.draw"): STAFF,
    ("GET", "staff_races.audit"): STAFF,
    ("POST", "staff_races.retry"): STAFF_ACTS,
    ("POST", "staff_races.reject"): STAFF_ACTS,
    ("POST", "staff_races.move"): STAFF_ACTS,
    ("POST", "staff_races.approve"): STAFF_ACTS,
    ("POST", "staff_races.add_to_roster"): STAFF_ACTS,
    ("POST", "staff_races.say_looked_at"): ("403", "403", "403", "403", "403", "403", "404"),  # it has no signals
    ("POST", "staff_races.exclude"): STAFF_ACTS,
    ("POST", "staff_seeing.begin"): STAFF_ACTS,
    ("POST", "staff_seeing.end"): STAFF_ACTS,
    # What changes one's relation to the race comes last: the member has a team after the first of these.
    ("POST", "teams.create"): MEMBER_CREATES,
    ("POST", "teams.accept"): SIGNED_IN_ACTS,
    ("POST", "races.join"): PERSON_JOINS,
    ("POST", "teams.leave"): ("403", "403", "ok", "ok", "ok", "403", "403"),
    ("POST", "security.logout"): ANYONE,
}


def routes(app: Flask) -> set[tuple[str, str]]:
    """Every (method, endpoint) of the application."""
    return {
        (method, rule.endpoint)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def outcome(response: TestResponse) -> str:
    """The word of the table for an answer."""
    location = response.headers.get("Location", "")
    if location.startswith("/login?next="):
        return "in"
    if response.status_code in (403, 404):
        return str(response.status_code)
    assert response.status_code < 500, text_of(response)
    return "ok"


def test_every_route_has_a_row(app: Flask) -> None:
    """S1: a new route must say who may reach it."""
    assert routes(app) == set(TABLE)


@pytest.mark.parametrize("role", ROLES)
def test_every_route_for_every_role(app: Flask, server: Server, people: People, played: Played, role: str) -> None:
    """S1: the table above, cell by cell."""
    job_id = set_state(server.store, people.slug, send(server.store, people.ada, "small", "attack", b"x"), PARKED)
    invitation = teams.invite(server.store, people.cleo, people.slug)
    values = values_of(people, played, job_id, invitation)
    browser = browser_of(app, server, people, role)
    token = browser.token()
    wrong = []
    for (method, endpoint), row in TABLE.items():
        path = path_to(app, endpoint, values)
        response = request(browser, method, path, token)
        if outcome(response) != row[ROLES.index(role)]:
            wrong.append((method, path, row[ROLES.index(role)], outcome(response), response.status_code))
    assert wrong == []


def request(browser: Browser, method: str, path: str, token: str) -> TestResponse:
    """Ask as the role's browser would, with a token where something is sent."""
    if method == "GET":
        return browser.get(path)
    fields: dict[str, object] = {
        "csrf_token": token,
        "idempotency_key": "0123456789",
        "name": "Team of nobody",
        "reason": "A test.",
    }
    if path.endswith(("/defence", "/attack", "/practice")):
        fields["file"] = (io.BytesIO(b"x"), "x.csv")
    return browser.client.post(path, data=fields, base_url=BASE_URL, buffered=True)


def browser_of(app: Flask, server: Server, people: People, role: str) -> Browser:
    """The browser of a role; the disabled person was signed in when the account was closed."""
    browser = Browser(app)
    if role == "stranger":
        return browser
    if role == "disabled":
        late = add_person(server.store, "Yann")
        races.join(server.store, late, people.slug)
        browser.sign_in(late)
        disable(server.store, late)
        return browser
    persons = {
        "person": people.paul,
        "member": people.nils,
        "team1": people.ada,
        "team2": people.cleo,
        "staff": people.dana,
    }
    return browser.sign_in(persons[role])


def test_things_of_another_team(app: Flask, server: Server, people: People, played: Played) -> None:
    """S2: every id replaced by another team's answers 404, and the database stays as it is."""
    ada, cleo = browser_of(app, server, people, "team1"), browser_of(app, server, people, "team2")
    before = hashes(server.store)
    theirs = {
        f"/races/small/submissions/{public_id}{end}": cleo
        for public_id in (played.defences[2], played.attacks[2])
        for end in ("", "/file")
    }
    theirs["/races/small/rounds/1/matches/1/test.parquet"] = cleo
    for path, owner in theirs.items():
        assert owner.get(path).status_code == 200, path
        assert ada.get(path).status_code == 404, path
    assert hashes(server.store) == before


def test_things_of_another_race(app: Flask, server: Server, people: People, played: Played) -> None:
    """S2: an id is looked up in the race of the address only."""
    other = races.create_race(server.store, people.dana, race_toml("other"))
    races.join(server.store, people.ada, other)
    teams.create_team(server.store, people.ada, other, "Elsewhere")
    ada = browser_of(app, server, people, "team1")
    dana = browser_of(app, server, people, "staff")
    for browser in (ada, dana):
        for public_id in (*played.defences.values(), *played.attacks.values()):
            assert browser.get(f"/races/other/submissions/{public_id}").status_code == 404
            assert browser.get(f"/races/other/submissions/{public_id}/file").status_code == 404
    assert ada.get("/races/other/rounds/1/matches/2/test.parquet").status_code == 404
    job_id = set_state(server.store, "small", played.attacks[1], PARKED)
    before = hashes(server.store)
    assert dana.post(f"/staff/races/other/jobs/{job_id}/retry").status_code == 404
    assert dana.post("/staff/races/other/teams/2/exclude", {"reason": "not there"}).status_code == 404
    assert hashes(server.store) == before


def test_a_body_cannot_name_another_team(app: Flask, server: Server, people: People) -> None:
    """S2: whose submission it is follows from the session alone, whatever the form says."""
    set_clock(server.store, IN_DEFENCE)
    ada = browser_of(app, server, people, "team1")
    page = ada.page("/races/small/defence")
    extra = {"team_id": "2", "user_id": str(people.cleo.user_id), "slug": "other", "round": "2"}
    response = ada.submit(page, "/defence", **extra, file=(io.BytesIO(b"x"), "x.csv"))
    shown = text_of(ada.get(response.headers["Location"]))
    assert "Onions" in shown
    assert "Sent by Ada" in shown


@pytest.mark.parametrize(
    ("role", "path", "pair", "sees_it_early"),
    [
        ("team1", "/races/small/attack?round=1", "Against Garlic", False),
        ("team2", "/races/small/attack?round=1", "Against Onions", False),
        ("staff", "/staff/races/small/draw?round=1", "1 Onions 2 Garlic", True),
    ],
)
def test_a_draw_is_secret_until_it_is_published(
    app: Flask, server: Server, people: People, played: Played, role: str, path: str, pair: str, sees_it_early: bool
) -> None:
    """Neither teams nor staff see a pair before the files are ready, and teams none before the attack phase opens."""
    store, browser = server.store, browser_of(app, server, people, role)
    published_at = publish(store, None)
    for moment in (ATTACK_OPENS_AT - MINUTE, IN_ATTACK):
        set_clock(store, moment)
        assert pair not in text_of(browser.get(path)), moment
        assert statuses_of_files(browser) == {404}, moment
    publish(store, published_at)
    for moment, is_open in ((ATTACK_OPENS_AT - MINUTE, False), (IN_ATTACK, True)):
        set_clock(store, moment)
        assert (pair in text_of(browser.get(path))) == (is_open or sees_it_early), moment
        assert (200 in statuses_of_files(browser)) == (is_open and role != "staff"), moment


def publish(store: Store, at: dt.datetime | None) -> dt.datetime | None:
    """Let the draw of round 1 be published at a moment, or not yet; when it was before."""
    with store.work() as session:
        drawn = round_by_number(session, race_by_slug(session, "small").id, 1)
        before, drawn.published_at = drawn.published_at, at
    return before


def statuses_of_files(browser: Browser) -> set[int]:
    """What becomes of asking for a file of either match."""
    paths = (f"/races/small/rounds/1/matches/{defender}/test.parquet" for defender in (1, 2))
    return {browser.get(path).status_code for path in paths}


@pytest.mark.parametrize("visibility", ["public", "members"])
def test_what_a_stranger_sees_of_a_race(app: Flask, server: Server, visibility: str) -> None:
    """A public race shows its front, its rules and its leaderboard to anyone; another one nothing."""
    populate(server.store, race_toml(visibility=visibility))
    stranger = Browser(app)
    expected = 200 if visibility == "public" else 302
    for path in ("", "/rules", "/leaderboard", "/teams/1"):
        assert stranger.get(f"/races/small{path}").status_code == expected, path
    assert stranger.get("/races/small/team").status_code == 302
    assert ("Race small" in text_of(stranger.get("/"))) == (visibility == "public")


def test_staff_see_signals_and_teams_do_not(app: Flask, server: Server, people: People, played: Played) -> None:
    """Signals to staff stay with staff."""
    from srs.traces.report import Problem, Report

    report = Report(warnings=(Problem("trace.rezeroed", "Times were re-zeroed."),))
    set_state(server.store, "small", played.defences[1], "accepted", report)
    with server.store.work() as session:
        for score in session.query(DefenceScore):
            score.signals = [Problem("trace.copies", "Copies.").to_json()]
    path = f"/races/small/submissions/{played.defences[1]}"
    ada, dana = browser_of(app, server, people, "team1"), browser_of(app, server, people, "staff")
    assert "Times were re-zeroed." in text_of(ada.get(path))
    assert "Copies." not in text_of(ada.get(path))
    assert "Copies." in text_of(dana.get(path))

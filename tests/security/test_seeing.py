"""Staff see a race as a team: exactly what the team sees, nothing can be changed, it ends, and students cannot."""

from __future__ import annotations

import datetime as dt
import io
import logging
import re

import pytest
import time_machine
from bs4 import Tag
from flask import Flask

from fixtures.clients import BASE_URL, Browser, soup, text_of
from fixtures.routes import path_to, unsafe_routes, values_of
from fixtures.tables import hashes
from srs.server.bootstrap import Server
from srs.server.services import races, teams
from srs.server.services.seeing import LASTS
from srs.server.store.events import Event
from srs.server.store.jobs import PARKED
from worlds.played_round import Played, play, send, set_state
from worlds.small_race import People, add_person, populate, race_toml

SEE_AS_1 = "/staff/races/small/teams/1/see-as"
END = "/staff/races/small/see-as/end"
SEEN_PAGES = (
    "",
    "/rules",
    "/practice",
    "/team",
    "/teams/1",
    "/teams/2",
    "/defence",
    "/attack",
    "/leaderboard",
    "/rounds/1",
)
SERVED_MEANWHILE = {"staff_seeing.end", "security.logout", "theme.choose"}


@pytest.fixture
def dana(app: Flask, server: Server, people: People) -> Browser:
    """Dana's browser."""
    return Browser(app).sign_in(people.dana)


@pytest.fixture
def ada(app: Flask, server: Server, people: People) -> Browser:
    """The browser of Ada, of team 1."""
    return Browser(app).sign_in(people.ada)


def main_of(browser: Browser, path: str) -> str:
    """What a page says between its head and its foot, and how one gets around in the race."""
    page = browser.page(path)
    parts = [page.find("main"), page.find("nav", {"aria-label": "Race"})]
    return " ".join(re.sub(r"\s+", " ", part.get_text(" ")) for part in parts if isinstance(part, Tag))


def events_of(server: Server) -> list[tuple[str, str, int | None]]:
    """What the audit log says of seeing as a team, oldest first."""
    with server.store.read() as session:
        found = session.query(Event).filter(Event.action.like("seeing.%")).order_by(Event.id)
        return [(one.action, one.subject, one.user_id) for one in found]


@pytest.mark.parametrize("joining", ['how = "open"', 'how = "open"\nanonymous = true'])
def test_staff_see_what_the_team_sees(app: Flask, server: Server, joining: str) -> None:
    """Word for word the pages of Ada: names, files, feedback; in an anonymous race pseudonyms, too."""
    people = populate(server.store, race_toml(joining=joining))
    played = play(server.store, people)
    ada, dana = (Browser(app).sign_in(one) for one in (people.ada, people.dana))
    assert dana.submit(dana.page("/staff/races/small"), "/teams/1/see-as").status_code == 303
    submissions = [f"/submissions/{public_id}" for public_id in (played.defences[1], played.attacks[1])]
    for path in (*SEEN_PAGES, *submissions):
        theirs, seen = main_of(ada, f"/races/small{path}"), main_of(dana, f"/races/small{path}")
        assert seen == theirs.replace("Ada (you)", "Ada"), path
    for path in (f"/submissions/{played.defences[2]}", f"/submissions/{played.defences[2]}/file"):
        assert dana.get(f"/races/small{path}").status_code == ada.get(f"/races/small{path}").status_code == 404
    banner = text_of(dana.get("/races/small"))
    assert "You see Race small as team 1, Onions . Read only" in banner
    assert "as team 1" not in text_of(ada.get("/races/small"))


def test_the_staff_pages_of_this_race_are_away_and_say_why(dana: Browser, played: Played) -> None:
    dana.post(SEE_AS_1)
    for path in ("", "/submissions", "/draw", "/audit", "/race.toml"):
        response = dana.get(f"/staff/races/small{path}")
        assert response.status_code == 403, path
        assert "End that, and the pages of the staff are there again" in text_of(response)
        assert "End this view" in text_of(response), "the way out is on every page"


def test_nothing_can_be_changed(app: Flask, server: Server, people: People, played: Played, dana: Browser) -> None:
    """Every unsafe route of the application is refused while it is on, in every race, and no row changes."""
    job_id = set_state(server.store, "small", send(server.store, people.ada, "small", "attack", b"x"), PARKED)
    values = values_of(people, played, job_id, teams.invite(server.store, people.cleo, people.slug))
    races.create_race(server.store, people.dana, race_toml("other"))
    dana.post(SEE_AS_1)
    token = dana.token()
    endpoints = [one for one in unsafe_routes(app) if one not in SERVED_MEANWHILE]
    assert len(endpoints) > 20
    before = hashes(server.store)
    for slug in ("small", "other"):
        for endpoint in endpoints:
            path = path_to(app, endpoint, {**values, "slug": slug})
            fields: dict[str, object] = {
                "csrf_token": token,
                "name": "x",
                "reason": "x",
                "idempotency_key": "0123456789",
            }
            if path.endswith(("/defence", "/attack", "/practice")):
                fields["file"] = (io.BytesIO(b"x"), "x.csv")
            response = dana.client.post(path, data=fields, base_url=BASE_URL, buffered=True)
            assert response.status_code == 403, (path, response.status_code)
            assert "read only, so nothing was changed" in text_of(response), path
            assert "staff.read-only" in text_of(response), path
    for method in ("PUT", "PATCH", "DELETE"):
        assert 400 <= dana.client.open("/races/small", method=method, base_url=BASE_URL).status_code < 500
    assert hashes(server.store) == before


def test_looking_changes_nothing(app: Flask, server: Server, people: People, played: Played, dana: Browser) -> None:
    """S3: nor does any GET while it is on, files included."""
    values = values_of(people, played, 1, teams.invite(server.store, people.cleo, people.slug))
    dana.post(SEE_AS_1)
    before = hashes(server.store)
    for endpoint in {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}:
        assert dana.get(path_to(app, endpoint, values)).status_code < 500, endpoint
    assert hashes(server.store) == before


def test_it_is_ended_and_logged(server: Server, people: People, played: Played, dana: Browser) -> None:
    """S20: one line at its beginning, one at its end, with who and which team; ending twice is no second end."""
    page = soup(dana.get("/staff/races/small"))
    dana.submit(page, "/teams/2/see-as")
    assert events_of(server) == [("seeing.begun", "team 2", people.dana.user_id)]
    ended = dana.submit(dana.page("/races/small"), "/see-as/end")
    assert ended.headers["Location"] == "/staff/races/small"
    assert events_of(server)[1:] == [("seeing.ended", "team 2", people.dana.user_id)]
    assert "You see" not in text_of(dana.get("/races/small"))
    assert dana.get("/staff/races/small/audit").status_code == 200
    assert dana.post(END).status_code == 303
    assert len(events_of(server)) == 2
    assert dana.post("/staff/races/small/teams/9/see-as").status_code == 404


def test_it_ends_by_itself(server: Server, people: People, played: Played, dana: Browser) -> None:
    dana.post(SEE_AS_1)
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now + LASTS - dt.timedelta(minutes=1), tick=True):
        assert dana.get("/staff/races/small").status_code == 403
    with time_machine.travel(now + LASTS + dt.timedelta(seconds=5), tick=True):
        response = dana.get("/staff/races/small")
        assert response.status_code == 200
        over = (
            "Your view of Race small as team 1, Onions, is over: it ended by itself after 30 min. You are staff again"
        )
        assert over in text_of(response)
        assert "is over" not in text_of(dana.get("/staff/races/small"))
        fields = {"boundary": "defence_closes_at", "at": "2027-04-15T08:30", "reason": "x"}
        assert dana.post("/staff/races/small/rounds/2", fields).status_code in (303, 409, 422), "staff act again"


def test_logging_out_ends_it(app: Flask, server: Server, people: People, played: Played, dana: Browser) -> None:
    """Nobody who signs in with this browser later sees as a team, and a cookie kept from before is no use to them."""
    dana.post(SEE_AS_1)
    with dana.client.session_transaction(base_url=BASE_URL) as session:
        kept = session["sees_as"]
    dana.post("/logout")
    assert [action for action, _subject, _user in events_of(server)] == ["seeing.begun", "seeing.ended"]
    erin = add_person(server.store, "Erin", staff=True)
    dana.sign_in(erin)
    assert dana.get("/staff/races/small").status_code == 200
    with dana.client.session_transaction(base_url=BASE_URL) as session:
        session["sees_as"] = kept
    assert dana.get("/staff/races/small").status_code == 200


def test_it_never_crosses_to_another_race(server: Server, people: People, played: Played, dana: Browser) -> None:
    """Elsewhere staff are staff; teams of the same number there are not opened."""
    other = races.create_race(server.store, people.dana, race_toml("other"))
    races.join(server.store, people.cleo, other)
    teams.create_team(server.store, people.cleo, other, "Elsewhere")
    dana.post(SEE_AS_1)
    assert dana.get("/staff/races/other").status_code == 200
    assert "Elsewhere" not in main_of(dana, "/races/other/team")
    assert "You see Race small as team 1" in text_of(dana.get("/races/other"))
    ended = dana.post("/staff/races/other/see-as/end")
    assert ended.status_code == 303
    assert len(events_of(server)) == 1, "there is nothing to end in that race"


def test_students_cannot(server: Server, people: People, played: Played, ada: Browser) -> None:
    """Not by the route, and not with a session that says so."""
    before = hashes(server.store)
    assert ada.post("/staff/races/small/teams/2/see-as").status_code == 403
    assert ada.post(END).status_code == 403
    assert hashes(server.store) == before
    with ada.client.session_transaction(base_url=BASE_URL) as session:
        session["sees_as"] = {
            "user_id": people.ada.user_id,
            "slug": "small",
            "race_title": "Race small",
            "number": 2,
            "team_name": "Garlic",
            "ends_at": (dt.datetime.now(dt.UTC) + LASTS).isoformat(),
        }
    assert ada.get(f"/races/small/submissions/{played.defences[2]}").status_code == 404
    assert "Onions" in main_of(ada, "/races/small/team")


def test_who_is_staff_no_more_sees_no_team(server: Server, people: People, played: Played, dana: Browser) -> None:
    """S21: the role is looked at in each request."""
    from srs.server.store.accounts import User

    dana.post(SEE_AS_1)
    assert dana.get("/races/small/attack").status_code == 200
    with server.store.work() as session:
        session.get_one(User, people.dana.user_id).roles = []
    refused = dana.get("/races/small/attack")
    assert refused.status_code == 403
    assert "as team 1, Onions, is over, as you are staff no more." in text_of(refused)
    assert dana.post("/logout").status_code == 302, "and is not kept here by a view that is over"


def test_files_that_are_opened_are_logged(
    server: Server, people: People, played: Played, dana: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """Who opened which file as which team stands in the server's log; ordinary pages and other people's do not."""
    dana.post(SEE_AS_1)
    path = "/races/small/rounds/1/matches/2/test.parquet"
    with caplog.at_level(logging.INFO, "srs.web"):
        assert dana.get("/races/small").status_code == 200
        assert dana.get(path).status_code == 200
    opened = [record.getMessage() for record in caplog.records if "opened" in record.getMessage()]
    assert len(opened) == 1
    assert f"user {people.dana.user_id} as team 1 of small opened {path}: 200" in opened[0]


def test_a_large_upload_is_told_so_too(server: Server, people: People, played: Played, dana: Browser) -> None:
    """Its body is read to the end, so that a browser gets to read the refusal; nothing is stored."""
    dana.post(SEE_AS_1)
    kept = sorted(server.store.blobs.root.glob("*/*"))
    fields = {
        "csrf_token": dana.token(),
        "idempotency_key": "0123456789",
        "file": (io.BytesIO(b"x" * 500_000), "x.csv"),
    }
    response = dana.client.post("/races/small/attack", data=fields, base_url=BASE_URL, buffered=True)
    assert response.status_code == 403
    assert sorted(server.store.blobs.root.glob("*/*")) == kept


def test_strangers_cannot(app: Flask, server: Server, people: People) -> None:
    stranger = Browser(app)
    assert stranger.post(SEE_AS_1).status_code == 403
    assert stranger.post(END).status_code == 403
    assert events_of(server) == []

"""Staff: a race from a file, and what may be changed in one."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from flask import Flask

from fixtures.clients import Browser, soup, text_of
from fixtures.tables import hashes
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.services import races, rounds
from srs.server.store.jobs import PARKED
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import round_by_number
from worlds.played_round import Played, play, send, set_state
from worlds.small_race import CLOSES_AT, IN_DEFENCE, STARTS_AT, People, race_toml, set_clock


@pytest.fixture
def dana(app: Flask, server: Server, people: People) -> Browser:
    """Dana's browser."""
    return Browser(app).sign_in(people.dana)


@pytest.mark.parametrize("by", ["file", "text"])
def test_a_race_from_a_toml(dana: Browser, server: Server, by: str) -> None:
    """Checked, previewed with times in its zone, then created; the preview creates nothing."""
    toml = race_toml("new-race")
    before = hashes(server.store)
    form = dana.page("/staff/races/new")
    sent = {"file": (io.BytesIO(toml.encode()), "race.toml")} if by == "file" else {"toml": toml}
    response = dana.submit(form, "/preview", **sent)
    assert response.status_code == 200
    assert "Race new-race" in text_of(response)
    assert "2027-04-13 08:00 CEST (06:00 UTC)" in text_of(response)
    assert hashes(server.store) == before
    assert dana.submit(soup(response), "/staff/races/new").status_code == 303
    assert "new-race" in text_of(dana.get("/staff/"))
    assert "race.created" in text_of(dana.get("/staff/races/new-race/audit"))


def test_every_problem_of_a_toml_is_told(dana: Browser) -> None:
    toml = race_toml("new-race").replace("count = 4", "cuont = 4").replace("packets_min = 4", "packets_min = 0")
    response = dana.submit(dana.page("/staff/races/new"), "/preview", toml=toml)
    assert response.status_code == 422
    for said in ("cuont", "Did you mean classes.count?", "packets_min"):
        assert said in text_of(response), said
    assert "cuont = 4" in response.get_data(as_text=True), "the text is still there to be mended"
    binary = dana.submit(dana.page("/staff/races/new"), "/preview", file=(io.BytesIO(b"\xff\xfe\x00"), "race.toml"))
    assert binary.status_code == 422
    assert "UTF-8" in text_of(binary)


def test_a_slug_is_taken_once(dana: Browser) -> None:
    assert dana.post("/staff/races/new", {"toml": race_toml()}).status_code == 422


def test_every_submission_is_seen(dana: Browser, server: Server, people: People, played: Played) -> None:
    text = text_of(dana.get("/staff/races/small/submissions"))
    for said in ("1 Onions", "2 Garlic", "defence.csv", "attack.csv", "accepted", "5.0000"):
        assert said in text, said
    for public_id in (*played.defences.values(), *played.attacks.values()):
        assert dana.get(f"/races/small/submissions/{public_id}").status_code == 200
        assert dana.get(f"/races/small/submissions/{public_id}/file").status_code == 200


def test_a_parked_job_is_tried_again(dana: Browser, server: Server, people: People) -> None:
    public_id = send(server.store, people.ada, "small", "defence", b"crash")
    set_state(server.store, "small", public_id, PARKED)
    page = dana.page("/staff/races/small")
    assert "Parked" in page.text
    assert dana.submit(page, "/retry").status_code == 303
    assert "queued" in text_of(dana.get(f"/races/small/submissions/{public_id}"))
    assert "job.retried" in text_of(dana.get("/staff/races/small/audit"))


def test_a_parked_file_is_rejected_by_hand(app: Flask, dana: Browser, server: Server, people: People) -> None:
    """The team is told why, no draw waits for it, and it can still be tried again."""
    public_id = send(server.store, people.ada, "small", "defence", b"crash")
    set_state(server.store, "small", public_id, PARKED)
    page = dana.page("/staff/races/small")
    assert dana.submit(page, "/reject", reason=" ").status_code == 422
    assert dana.submit(page, "/reject", reason="It ends every judge.").status_code == 303
    shown = text_of(Browser(app).sign_in(people.ada).get(f"/races/small/submissions/{public_id}"))
    assert "rejected" in shown
    assert "The staff rejected this file: It ends every judge." in shown
    assert "rejected" in text_of(Browser(app).sign_in(people.ben).get("/notices/"))
    assert dana.submit(page, "/reject", reason="Once more.").status_code == 409
    set_clock(server.store, CLOSES_AT + dt.timedelta(minutes=2))
    rounds.advance(server.store, SilentBell())
    with server.store.read() as session:
        race = race_by_slug(session, "small")
        assert round_by_number(session, race.id, 1).drawn_at is not None, "no half an hour is waited"
    assert dana.submit(dana.page("/staff/races/small/submissions"), "/retry").status_code == 303
    assert "queued" in text_of(dana.get(f"/races/small/submissions/{public_id}"))


def test_a_boundary_is_moved(dana: Browser, server: Server, people: People) -> None:
    """In the race's zone, with a reason, audited; the pages follow at once."""
    path = "/staff/races/small/rounds/1"
    fields = {"boundary": "defence_closes_at", "at": "2027-04-14T08:30", "reason": "The network was down."}
    assert dana.post(path, fields).status_code == 303
    audit = text_of(dana.get("/staff/races/small/audit"))
    assert "The network was down." in audit
    assert "2027-04-14T06:30:00+00:00" in audit
    assert "2027-04-14 08:30 CEST (06:30 UTC)" in text_of(dana.get("/races/small"))
    before = hashes(server.store)
    for wrong in ({"reason": " "}, {"at": "soon"}, {"at": "2027-04-14T08:30+00:00"}, {"boundary": "created_at"},
                  {"at": "2020-01-01T00:00"}, {"at": "2027-05-30T00:00"}):  # fmt: skip
        assert dana.post(path, {**fields, **wrong}).status_code == 422, wrong
    assert hashes(server.store) == before


@pytest.mark.parametrize(
    ("boundary", "at", "told"),
    [
        (
            "attack_closes_at",
            "2027-04-15T10:00",
            ["The end of the attack phase of round 1 was moved from 2027-04-15 09:00 CEST (07:00 UTC) to 2027-04-15"],
        ),
        (
            "attack_opens_at",
            "2027-04-14T08:02",
            ["The beginning of the attack phase", "Round 1 leaves no time for its"],
        ),
        ("attack_opens_at", "2027-04-14T08:03", ["The beginning of the attack phase"]),
        (
            "defence_closes_at",
            "2027-04-14T07:00",
            ["The end of the defence phase", "As it stands now, round 1 would be"],
        ),
        ("defence_closes_at", "2027-04-14T08:30", ["The end of the defence phase"]),
    ],
)
def test_a_move_is_told_and_doubted(
    dana: Browser, server: Server, people: People, boundary: str, at: str, told: list[str]
) -> None:
    """In a sentence with both times; a warning where the draw would be late, or without a match as things stand."""
    fields = {"boundary": boundary, "at": at, "reason": "x"}
    assert dana.post("/staff/races/small/rounds/1", fields).status_code == 303
    said = [alert.text for alert in dana.page("/staff/races/small").find_all("div", role="status", class_="alert")]
    assert [sentence[: len(expected)] for sentence, expected in zip(said, told, strict=True)] == told


def test_a_round_without_time_for_its_draw_says_so_while_it_lasts(dana: Browser, server: Server) -> None:
    """The message after the move is seen once; what it warns of stays."""
    fields = {"boundary": "defence_closes_at", "at": "2027-04-14T09:00", "reason": "x"}
    assert "leaves no time" not in dana.page("/staff/races/small").get_text()
    assert dana.post("/staff/races/small/rounds/1", fields).status_code == 303
    for _ in range(2):
        assert "Round 1 leaves no time for its draw" in dana.page("/staff/races/small").main.get_text()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("boundary", "at", "sentence"),
    [
        ("defence_opens_at", "2027-04-14T07:00", "passed at 2027-04-13 08:00 CEST (06:00 UTC); move one that is still"),
        ("defence_closes_at", "2027-04-16T07:00", "Choose another time, or move the other one first."),
        ("defence_closes_at", "0001-01-01T00:00", "is not in the years 2000 to 2199"),
        ("defence_closes_at", "9999-12-31T23:59", "is not in the years 2000 to 2199"),
        ("defence_closes_at", "2027-04-13T08:30", "has passed; choose a moment in the future."),
        ("attack_opens_at", "soon", "is not a date and time such as 2027-04-17T18:00."),
    ],
)
def test_a_move_that_is_refused_says_what_to_do(dana: Browser, boundary: str, at: str, sentence: str) -> None:
    """Beside the field, where there is one, which keeps what was written."""
    response = dana.post("/staff/races/small/rounds/1", {"boundary": boundary, "at": at, "reason": "Why."})
    assert response.status_code in (409, 422)
    assert sentence in text_of(response)
    field = soup(response).find(id=f"at-1-{boundary}")
    if field is not None:
        assert (field["value"], field["aria-invalid"]) == (at, "true")
        assert sentence in soup(response).find(id=str(field["aria-describedby"])).text


def test_a_local_time_that_does_not_exist(dana: Browser) -> None:
    """In the night in which clocks are put forward an hour is missing."""
    fields = {"boundary": "attack_closes_at", "at": "2028-03-26T02:30", "reason": "x"}
    response = dana.post("/staff/races/small/rounds/2", fields)
    assert response.status_code == 422
    assert "does not exist in Europe/Zurich" in text_of(response)


def test_who_is_in_the_draw(dana: Browser, server: Server, people: People) -> None:
    """Teams and reasons, never pairs before the draw is published."""
    send(server.store, people.ada, "small", "defence", b"x")
    text = text_of(dana.get("/staff/races/small/draw"))
    assert "1 Onions no a verdict is still to come" in text
    assert "2 Garlic no no accepted defence" in text
    assert "Matches" not in text
    play_again(server, people)
    assert "Matches" in text_of(dana.get("/staff/races/small/draw?round=1"))


def play_again(server: Server, people: People) -> None:
    """Play round 1 as far as its attacks."""
    set_clock(server.store, IN_DEFENCE)
    play(server.store, people)


def test_a_team_is_excluded(app: Flask, dana: Browser, server: Server, people: People, played: Played) -> None:
    """With a reason; its matches are void, it is out of the standings."""
    page = dana.page("/staff/races/small")
    assert dana.submit(page, "/teams/2/exclude", reason="Shared labels.").status_code == 303
    assert "Shared labels." in text_of(dana.get("/staff/races/small/audit"))
    ada = Browser(app).sign_in(people.ada)
    assert "Garlic" not in text_of(ada.get("/races/small/rounds/1"))
    assert "void" in text_of(ada.get("/races/small/attack"))
    cleo = Browser(app).sign_in(people.cleo)
    assert "Your team is excluded" in text_of(cleo.get("/races/small/team"))
    assert dana.post("/staff/races/small/teams/1/exclude", {"reason": " "}).status_code == 422


def test_the_roster(app: Flask, dana: Browser, server: Server, people: People) -> None:
    races.create_race(server.store, people.dana, race_toml("rostered", joining='how = "roster"'))
    paul = Browser(app).sign_in(people.paul)
    assert paul.submit(paul.page("/races/rostered"), "/join").status_code == 403
    page = dana.page("/staff/races/rostered")
    assert page.find("a", href="#roster") is not None, "nobody can come before there is one"
    dana.submit(page, "/roster", emails="PAUL@example.org\nsomebody@example.org")
    assert paul.submit(paul.page("/races/rostered"), "/join").status_code == 303


def test_moments_move_with_the_clock(app: Flask, server: Server, people: People) -> None:
    """T1: at the boundary itself the phase is the next one."""
    ada = Browser(app).sign_in(people.ada)
    closes_at = STARTS_AT + dt.timedelta(days=1)
    for moment, phase in ((closes_at - dt.timedelta(microseconds=1), "defence"), (closes_at, "drawing")):
        set_clock(server.store, moment)
        assert f"Round 1 of 2: {phase}" in text_of(ada.get("/races/small"))

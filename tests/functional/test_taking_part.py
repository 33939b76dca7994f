"""From a stranger to a member of a team."""

from __future__ import annotations

import datetime as dt

import pytest
from flask import Flask

from fixtures.clients import Browser, soup, text_of
from fixtures.tables import hashes
from srs.server.bootstrap import Server
from srs.server.services import races
from srs.server.services.access import Person
from srs.server.store.outbox import OutboxMail
from worlds.small_race import STARTS_AT, People, add_person, populate, race_toml, set_clock


def test_the_front_page_says_what_this_is(stranger: Browser) -> None:
    text = text_of(stranger.get("/"))
    assert "Register" in text
    assert "Defend." in text


def test_joining_an_open_race(app: Flask, server: Server, people: People) -> None:
    paul = Browser(app).sign_in(people.paul)
    home = paul.page("/races/small")
    assert "A small race." in home.text
    assert "Leaderboard" not in home.text
    assert paul.submit(home, "/join").status_code == 303
    assert "You are in no team yet" in text_of(paul.get("/races/small"))


def test_joining_by_code(app: Flask, server: Server) -> None:
    people = populate(server.store)
    quinn = in_another_race(server, people, 'how = "code"\ncode = "tulip"')
    browser = Browser(app).sign_in(quinn)
    home = browser.page("/races/coded")
    refused = browser.submit(home, "/join", code="rose")
    assert refused.status_code == 422
    assert "not the code of this race" in text_of(refused)
    assert browser.submit(home, "/join", code="tulip").status_code == 303
    assert browser.get("/races/coded/rules").status_code == 200


def in_another_race(server: Server, people: People, joining: str) -> Person:
    """Somebody new, and a second race with another way to join."""
    races.create_race(server.store, people.dana, race_toml("coded", joining=joining))
    return add_person(server.store, "Quinn")


def test_joining_with_approval(app: Flask, server: Server, people: People) -> None:
    """Staff see who asks and let them in; until then nothing is open."""
    quinn = in_another_race(server, people, 'how = "approval"')
    browser = Browser(app).sign_in(quinn)
    browser.submit(browser.page("/races/coded"), "/join")
    assert "still to approve" in text_of(browser.get("/races/coded"))
    assert browser.get("/races/coded/rules").status_code == 403
    dana = Browser(app).sign_in(people.dana)
    manage = dana.page("/staff/races/coded")
    assert "quinn@example.org" in manage.text
    assert dana.submit(manage, "/approve").status_code == 303
    assert browser.get("/races/coded/rules").status_code == 200
    assert "join.approved" in text_of(dana.get("/staff/races/coded/audit"))


def test_a_team_by_invitation(app: Flask, server: Server, people: People) -> None:
    """Create, invite by link, look, consent; the link works once."""
    nils = Browser(app).sign_in(people.nils)
    assert nils.submit(nils.page("/races/small/team"), "/create", name="Tulips").status_code == 303
    shown = nils.submit(nils.page("/races/small/team"), "/invite", email="paul@example.org")
    link = str(soup(shown).find("input", {"id": "link"})["value"]).removeprefix(server.config.base_url)  # type: ignore[index]
    with server.store.read() as session:
        [mail] = [mail for mail in session.query(OutboxMail) if mail.notice_path is None]
        assert (mail.recipient, link in mail.body) == ("paul@example.org", True)
    paul = Browser(app).sign_in(people.paul)
    consent = paul.page(link)
    assert "Tulips" in consent.text
    assert paul.submit(consent, link).status_code == 409, "not in the race yet"
    paul.submit(paul.page("/races/small"), "/join")
    assert paul.submit(consent, link).status_code == 303
    assert "Paul (you)" in text_of(paul.get("/races/small/team"))
    assert "Your team is complete" in text_of(nils.get("/races/small/team"))
    assert Browser(app).sign_in(people.dana).get(link).status_code == 409, "spent"


@pytest.mark.parametrize(
    "text",
    [
        "paul@example.org, quinn@example.org",
        "paul@example.org;quinn@example.org",
        "paul@example.org\r\nBcc: quinn@example.org",
        "Paul <paul@example.org>",
        "paul@example.org quinn@example.org",
        "paul@",
        "paul@@example.org",
        f"{'p' * 65}@example.org",
    ],
)
def test_an_invitation_goes_to_one_address(app: Flask, server: Server, people: People, text: str) -> None:
    """Anything else is refused with a sentence, and nothing is made or sent."""
    before = hashes(server.store)
    answer = Browser(app).sign_in(people.ada).post("/races/small/team/invite", {"email": text})
    assert answer.status_code == 422
    assert "is not one e-mail address" in text_of(answer)
    assert hashes(server.store) == before


def test_leaving_before_the_lock(app: Flask, server: Server) -> None:
    locks_at = STARTS_AT + dt.timedelta(hours=2)
    people = populate(server.store, race_toml(joining=f'how = "open"\nlocks_at = {locks_at.isoformat()}'))
    ben = Browser(app).sign_in(people.ben)
    page = ben.page("/races/small/team")
    assert ben.submit(page, "/leave").status_code == 303
    assert "Create a team" in text_of(ben.get("/races/small/team"))
    set_clock(server.store, locks_at)
    assert "Teams were locked" in text_of(ben.get("/races/small/team"))
    assert ben.post("/races/small/team/create", {"name": "Too late"}).status_code == 409


@pytest.mark.parametrize(
    ("name", "said"), [("x", "2 to 40 characters"), ("Onions", "Another team"), ("a\u200bb", "cannot be seen")]
)
def test_a_name_that_will_not_do(app: Flask, server: Server, people: People, name: str, said: str) -> None:
    nils = Browser(app).sign_in(people.nils)
    refused = nils.submit(nils.page("/races/small/team"), "/create", name=name)
    assert refused.status_code == 422
    assert said in text_of(refused)


def test_pseudonyms(app: Flask, server: Server) -> None:
    """In an anonymous race others see a number; the team itself and staff see the name."""
    people = populate(server.store, race_toml(joining='how = "open"\nanonymous = true'))
    pages = {"cleo": False, "ada": True, "dana": True}
    for who, sees in pages.items():
        browser = Browser(app).sign_in(getattr(people, who))
        assert ("Onions" in text_of(browser.get("/races/small/teams/1"))) == sees, who

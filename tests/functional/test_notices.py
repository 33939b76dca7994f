"""Notices as a person meets them: the count, the list, what leads where, and what is switched off."""

from __future__ import annotations

import datetime as dt
from contextlib import closing

import pytest
from flask import Flask
from sqlalchemy import event, insert

from fixtures.clients import Browser, soup, text_of
from fixtures.tables import hashes
from srs.server.bootstrap import Server
from srs.server.services import jobs, notices
from srs.server.services.access import Person
from srs.server.services.reminders import announce
from srs.server.store.jobs import REJECTED
from srs.server.store.notices import Notice
from srs.server.store.outbox import OutboxMail
from srs.traces.report import Problem, Report
from worlds.played_round import send
from worlds.small_race import IN_DEFENCE, People, set_clock

FAULT = Report(problems=(Problem("trace.size-zero", "0 is not a packet size.", line=1234, column="direction_size"),))


def reject(server: Server, person: Person, content: bytes = b"x") -> str:
    """A defence that a worker rejects; its public id."""
    public_id = send(server.store, person, "small", "defence", content)
    claim = jobs.claim_next(server.store, "w", 60.0)
    assert claim is not None
    assert jobs.finish(server.store, claim, REJECTED, FAULT.to_json(), lambda _session, _job: None)
    return public_id


def mails_to(server: Server, person: Person) -> list[str]:
    with server.store.read() as session:
        return [mail.subject for mail in session.query(OutboxMail) if mail.recipient == person.email]


def link(browser: Browser) -> str:
    """The words of the link to the notices, on any page."""
    [found] = browser.page("/account").select('header a[href="/notices/"]')
    return " ".join(found.get_text(" ").split())


def test_a_student_sees_the_verdict_and_switches_the_mails_off(app: Flask, server: Server, people: People) -> None:
    """The whole way: told in the page and by mail, read, chosen, told in the page only."""
    cleo = Browser(app).sign_in(people.cleo)
    assert link(cleo) == "Notices"
    public_id = reject(server, people.cleo)
    assert link(cleo) == "Notices 1 unread"
    page = cleo.page("/notices/")
    assert "Your defence for round 1 was rejected" in page.get_text()
    assert "line 1234, column direction_size: 0 is not a packet size." in page.get_text()
    opened = cleo.submit(page, "/open")
    assert (opened.status_code, opened.headers["Location"]) == (303, f"/races/small/submissions/{public_id}")
    assert cleo.get(opened.headers["Location"]).status_code == 200
    assert link(cleo) == "Notices"
    assert mails_to(server, people.cleo) == ["[Race small] Your defence for round 1 was rejected"]

    choices = cleo.page("/notices/choices")
    wanted = [str(box["value"]) for box in choices.select("input[name=in_page][checked]")]
    assert notices.STAFF not in wanted
    assert cleo.post("/notices/choices", {"in_page": wanted}).status_code == 303
    kept = cleo.page("/notices/choices")
    assert [str(box["value"]) for box in kept.select("input[name=in_page][checked]")] == wanted
    assert kept.select("input[name=by_mail][checked]") == []
    reject(server, people.cleo, b"another")
    assert len(mails_to(server, people.cleo)) == 1
    assert link(cleo) == "Notices 1 unread"
    assert cleo.submit(cleo.page("/notices/"), "/read").status_code == 303
    assert link(cleo) == "Notices"


def test_looking_changes_nothing(app: Flask, server: Server, people: People) -> None:
    """S3: a notice stays unread until it is opened by a press of its button."""
    reject(server, people.cleo)
    cleo = Browser(app).sign_in(people.cleo)
    before = hashes(server.store)
    for path in ("/notices/", "/notices/choices", "/notices/?before=1"):
        assert cleo.get(path).status_code == 200
    assert hashes(server.store) == before


def test_what_is_told_leads_to_a_page_of_this_host(app: Flask, server: Server, people: People) -> None:
    """Every path in a notice or a mail exists, for whom it was told to."""
    set_clock(server.store, IN_DEFENCE + dt.timedelta(hours=22, minutes=30))
    announce(server.store)
    reject(server, people.ada)
    with server.store.read() as session:
        told = {(one.user_id, one.path) for one in session.query(Notice)}
        kinds = {one.kind for one in session.query(Notice)}
    assert kinds == {notices.TEAM, notices.PHASE, notices.REMINDER, notices.REJECTED}
    for person in (people.ada, people.ben, people.cleo, people.nils):
        browser = Browser(app).sign_in(person)
        for user_id, path in told:
            if user_id == person.user_id:
                assert browser.get(path).status_code == 200, path


def test_an_empty_list_says_what_will_come(app: Flask, server: Server, people: People) -> None:
    paul = Browser(app).sign_in(people.paul)
    assert "Nothing yet" in text_of(paul.get("/notices/"))


def many(server: Server, person: Person, count: int) -> None:
    at = dt.datetime(2027, 4, 13, 12, tzinfo=dt.UTC)
    values = {
        "user_id": person.user_id,
        "race_id": 1,
        "kind": notices.PHASE,
        "body": "x",
        "path": "/",
        "created_at": at,
    }
    with server.store.work() as session:
        rows = [{**values, "key": f"k{number}", "subject": f"News {number}."} for number in range(count)]
        session.execute(insert(Notice), rows)


def test_a_long_list_is_paged_and_costs_few_queries(app: Flask, server: Server, people: People) -> None:
    many(server, people.cleo, 75)
    cleo = Browser(app).sign_in(people.cleo)
    seen, path = [], "/notices/"
    with closing(Counted(server)) as counted:
        while path:
            page = cleo.page(path)
            seen += [heading.get_text().replace("unread", "").strip() for heading in page.select(".notice h2")]
            older = page.find("a", string="Older notices")
            path = str(older["href"]) if older else ""  # type: ignore[index]
        assert counted.statements <= 3 * 10
    assert seen == [f"News {number}." for number in reversed(range(75))]
    assert "no older notices" in text_of(cleo.get("/notices/?before=1"))


class Counted:
    """Counts the statements that reach the database."""

    def __init__(self, server: Server) -> None:
        self.statements = 0
        self._engine = server.store.engine
        event.listen(self._engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.statements += 1

    def close(self) -> None:
        """Stop counting."""
        event.remove(self._engine, "before_cursor_execute", self._count)


def test_the_link_costs_a_stranger_nothing(app: Flask, server: Server, people: People, stranger: Browser) -> None:
    with closing(Counted(server)) as counted:
        assert stranger.get("/login").status_code == 200
        assert counted.statements == 0


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a\r\nBcc: x@example.org", "\x1b[31m", "\u202egpj"])
def test_hostile_text_in_a_notice(app: Flask, server: Server, people: People, text: str) -> None:
    """S9: shown as text; nothing of it runs, hides or turns around."""
    public_id = send(server.store, people.cleo, "small", "defence", b"x", text)
    claim = jobs.claim_next(server.store, "w", 60.0)
    assert claim is not None
    assert jobs.finish(server.store, claim, REJECTED, FAULT.to_json(), lambda _session, _job: None)
    shown = Browser(app).sign_in(people.cleo).get("/notices/")
    assert public_id not in soup(shown).get_text()
    html = shown.get_data(as_text=True)
    assert "<script>alert" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html

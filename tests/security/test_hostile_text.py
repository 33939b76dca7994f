"""S9: sixty hostile texts in everything that is shown: on pages and charts, in mails and exports they are text."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import replace
from email.message import EmailMessage

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser
from werkzeug.test import TestResponse

from fixtures.clients import BASE_URL, Browser, text_of
from fixtures.every_page import Address, every_page
from fixtures.routes import path_to, unsafe_routes, values_of
from fixtures.sizes import FULL, record, size
from srs.errors import InputError, RulesError
from srs.game.race import RaceRules, load_rules, read_rules
from srs.judging.defence import check_defence
from srs.server.bootstrap import Server
from srs.server.cli import export
from srs.server.services import mail, reminders, rounds, teams
from srs.server.store import clock, outbox
from srs.server.store.accounts import User
from srs.server.store.engine import Session
from srs.server.store.events import Event
from srs.server.store.jobs import Job
from srs.server.store.notices import Announcement, Notice
from srs.server.store.outbox import OutboxMail
from srs.server.store.races import Race, RosterEntry, race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.submissions import Submission
from srs.server.store.teams import Team
from srs.traces.report import Problem, Report, visible
from worlds.hostile_texts import BY_THEMSELVES, FORMULA_LEADS, HOSTILE, PRODUCT, WORD, hostile_csv, visible_only
from worlds.played_round import Played, set_state
from worlds.small_race import People, set_clock

RULES = RaceRules(slug="rules", title="Rules", rounds=())
HARMLESS = f"plain {WORD}"
TEAMS = 4
IN_ONE = size(60, 1)
"""How many of the texts stand in one place at once."""
IN_ONE_EXPORT = size(TEAMS, 1)

STRANGE = {"iframe", "object", "embed", "base", "math", "template"}
ADDRESSES = {"href", "src", "action", "formaction", "xlink:href", "data", "hx-get", "hx-post"}
LOADED = {"script", "img", "link", "source", "image", "use"}
LOCAL = ("/", "#", "?", "mailto:", "data:image/", "https://", "http://127.0.0.1")


@pytest.fixture
def pages(app: Flask, server: Server, big_race: tuple[People, Played]) -> list[Address]:
    """The addresses of all pages of a played race."""
    return every_page(app, server, *big_race)


def groups() -> list[list[str]]:
    return [list(HOSTILE[start : start + IN_ONE]) for start in range(0, len(HOSTILE), IN_ONE)]


def write_everywhere(session: Session, slug: str, text: str) -> None:
    """Put a text into everything that somebody else has written and that is shown, past the rules of any form."""
    race = race_by_slug(session, slug)
    race.title = text
    race.rules_json = _rules_with(race, text)
    for user in session.query(User):
        user.name = visible(text)
    for team in session.query(Team):
        team.name, team.exclusion_reason = f"{text}{team.number}", text
    problems = [Problem("trace.size-zero", f"line 3: {text}", line=3, column=text), Problem("trace.other", text)]
    report = Report(problems=tuple(problems), warnings=(Problem("trace.note", text),), signals=(problems[1],))
    for submission in session.query(Submission):
        submission.file_name = visible(text)
        if submission.job.state == "rejected":
            submission.job.report = report.to_json()
    for job in session.query(Job):
        job.trouble = text
    for event in session.query(Event):
        event.subject, event.reason, event.detail = text, text, {"text": text}
    for notice in session.query(Notice):
        notice.subject = notice.body = text
    session.add(RosterEntry(race_id=race.id, email=f"{text}@example.org"))


def _rules_with(race: Race, text: str) -> dict[str, object]:
    """The race's rules with this text in each text of theirs; without it where the rules refuse it."""
    rules = race.rules_json
    classes = {**rules["classes"], "names": [f"{text}{index}" for index in range(rules["classes"]["count"])]}
    hostile = {**rules, "title": text, "description": "", "classes": {**classes, "singular": text}}
    try:
        load_rules(json.loads(json.dumps(hostile)))
    except (RulesError, ValueError):
        return rules
    return hostile


Shape = set[tuple[str, tuple[str, ...]]]
Element = tuple[str, dict[str, str]]


def elements(body: str) -> tuple[list[Element], list[str]]:
    """What a browser makes of a page: its elements, each with its attributes, and its comments."""
    root = LexborHTMLParser(body).root
    assert root is not None
    assert root.parent is not None
    found: list[Element] = []
    comments: list[str] = []
    for node in root.parent.traverse(include_text=True):  # comments may stand outside the root
        if node.is_element_node:
            found.append((str(node.tag), {name: value or "" for name, value in node.attributes.items()}))
        elif node.is_comment_node:
            comments.append(str(node.html))
    return found, comments


def shape(body: str) -> Shape:
    """Which elements a page is made of, each with the names of its attributes."""
    return {(tag, tuple(sorted(attributes))) for tag, attributes in elements(body)[0]}


def intruders(body: str) -> list[str]:
    """What no page of ours has: handlers, inline scripts and styles, addresses from elsewhere, comments."""
    found, comments = elements(body)
    return [str(one)[:200] for one in found if is_intruder(*one)] + [one[:200] for one in comments]


def is_intruder(tag: str, attributes: dict[str, str]) -> bool:
    if tag in STRANGE or WORD in tag or (tag in ("script", "style") and not attributes.get("src")):
        return True
    for name, value in attributes.items():
        is_remote = not value.startswith(LOCAL) or (tag in LOADED and "//" in value)
        if (name in ADDRESSES and is_remote) or name.startswith("on") or name in ("srcdoc", "style") or WORD in name:
            return True
    return False


def wrong_with(answer: TestResponse, texts: list[str], usual: Shape) -> list[str]:
    """Everything by which a page shows that it took a text for more than a text."""
    body = answer.get_data(as_text=True)
    found = intruders(body) + [str(one) for one in sorted(shape(body) - usual)]
    found += [f"raw: {text}" for text in texts if "<" in text and text in body]
    if PRODUCT in body:
        found.append("a template was run")
    return found


def test_on_every_page(app: Flask, server: Server, big_race: tuple[People, Played], pages: list[Address]) -> None:
    """Stranger, student, another student, staff: the page has the elements that it has with a harmless text."""
    people, _ = big_race
    browsers = {
        "stranger": Browser(app),
        "student": Browser(app).sign_in(people.ada),
        "staff": Browser(app).sign_in(people.dana),
    }
    if FULL:
        browsers["another"] = Browser(app).sign_in(people.cleo)

    def visit_all(text: str) -> dict[tuple[str, str], TestResponse]:
        with server.store.work() as session:
            write_everywhere(session, people.slug, text)
        answers = {(who, one.name): browser.get(one.path) for who, browser in browsers.items() for one in pages}
        return {where: answer for where, answer in answers.items() if answer.mimetype in ("text/html", "image/svg+xml")}

    usual = {where: shape(answer.get_data(as_text=True)) for where, answer in visit_all(HARMLESS).items()}
    found: dict[str, list[tuple[str, str]]] = {}
    shown = set()
    for texts in groups():
        for where, answer in visit_all(" | ".join(texts)).items():
            assert answer.status_code < 500, where
            shown |= {where} if WORD in answer.get_data(as_text=True) else set()
            for wrong in wrong_with(answer, texts, usual[where]):
                found.setdefault(wrong, []).append(where)
    assert len(shown) > 60, "the texts are hardly shown anywhere, so nothing is proved"
    record("S9", len(HOSTILE) * len(shown), len(found), note="texts x pages")
    assert found == {}


FIELDS = (
    *("name", "email", "emails", "password", "password_confirm", "code", "reason", "boundary", "at", "toml", "theme"),
    *("title", "slug", "description", "timezone", "visibility", "joining__how", "classes__names", "kind"),
)


def test_what_is_answered_to_forms(app: Flask, server: Server, big_race: tuple[People, Played]) -> None:
    """Every route that takes a form, every field hostile; refused or taken, the answer and the next page are text."""
    people, _ = big_race
    values = values_of(people, Played({1: "none"}, {1: "none"}), 1, "no-such-token")
    for person in (people.nils, people.ada, people.dana)[size(1, 0) :]:
        browser = Browser(app).sign_in(person)
        for endpoint in unsafe_routes(app):
            path = path_to(app, endpoint, values)
            for texts in groups() if endpoint != "security.logout" else []:
                text = " | ".join(texts)
                answer = browser.post(path, dict.fromkeys(FIELDS, text), query_string={"next": text, "round": text})
                assert answer.status_code < 500, path
                for one in (answer, browser.get("/account", query_string={"round": text, "before": text})):
                    if one.mimetype != "text/html":
                        assert "attachment" in one.headers["Content-Disposition"], path
                        continue
                    body = one.get_data(as_text=True)
                    assert intruders(body) == [], path
                    assert [raw for raw in texts if "<" in raw and raw in body] == [], path


def test_a_file_name_with_line_breaks(app: Flask, server: Server, people: People) -> None:
    """A name may come percent-encoded, with anything in it; it is kept visible, and the file can be downloaded."""
    ada = Browser(app).sign_in(people.ada)
    key, token = "0123456789abcdef", ada.token()
    parts = [f'name="csrf_token"\r\n\r\n{token}', f'name="idempotency_key"\r\n\r\n{key}']
    parts.append("name=\"file\"; filename*=UTF-8''a%0D%0ABcc%3A%20x%1B%5B31m.csv\r\nContent-Type: text/csv\r\n\r\n1,2")
    body = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--b--\r\n"
    answer = ada.client.post(
        f"/races/{people.slug}/defence",
        data=body.encode(),
        content_type="multipart/form-data; boundary=b",
        base_url=BASE_URL,
    )
    assert answer.status_code == 303, answer.get_data(as_text=True)
    assert "a\\r\\nBcc: x\\x1b[31m.csv" in text_of(ada.get(answer.headers["Location"]))
    assert ada.get(answer.headers["Location"] + "/file").status_code == 200


def test_descriptions_are_markdown_and_nothing_more(app: Flask, server: Server, people: People) -> None:
    """A race's description may have emphasis, lists and links; never an element that runs or loads."""
    browser = Browser(app).sign_in(people.ada)
    for text in (
        *BY_THEMSELVES,
        f"[x](javascript:{WORD}())",
        f"![x](//{WORD}.example/x.png)",
        f"<{WORD}>",
        f"[x]: data:{WORD}",
    ):
        with server.store.work() as session:
            race = race_by_slug(session, people.slug)
            race.rules_json = {**race.rules_json, "description": text}
        answer = browser.get(f"/races/{people.slug}")
        assert answer.status_code == 200
        body = answer.get_data(as_text=True)
        assert intruders(body) == [], text
        assert not LexborHTMLParser(body).css("main section.prose img"), text


@pytest.mark.parametrize("text", [text for text in HOSTILE if not visible_only(text)])
def test_what_cannot_be_seen_is_refused_in_names(server: Server, people: People, text: str) -> None:
    """A team's name, a race's title: refused with a sentence, or cleaned; never kept."""
    with pytest.raises(InputError, match="cannot be seen"):
        teams.create_team(server.store, people.nils, people.slug, text + "\u202e")
    toml = f'slug = "x"\ntitle = {json.dumps(text)}\n'
    with pytest.raises(RulesError):
        read_rules(toml)


def test_in_mails(server: Server, big_race: tuple[People, Played]) -> None:
    """What people are told about people, teams and files with such names: plain text, and nothing of it is obeyed."""
    people, _ = big_race
    told: list[EmailMessage] = []
    for texts in groups():
        with server.store.work() as session:
            session.query(OutboxMail).delete()
            session.query(Announcement).delete()
            session.query(Notice).delete()
            write_everywhere(session, people.slug, " | ".join(texts))
        reason = " | ".join(texts)
        boundary = end_of_attack(server, people.slug) + dt.timedelta(minutes=1)
        rounds.move_boundary(server.store, people.dana, people.slug, 2, "attack_closes_at", boundary, reason)
        entered = visible(reason)  # as forms take it
        link = f"{BASE_URL}/invitations/x"
        teams.mail_invitation(server.store, replace(people.ada, name=entered), "x@example.org", link, entered, entered)
        set_clock(server.store, boundary - dt.timedelta(minutes=50))
        reminders.announce(server.store)
        mail.send_due_mail(server.store, server.config, told.append)
        set_clock(server.store, boundary - dt.timedelta(hours=5))
    assert len(told) > 5 * len(groups())
    for message in told:
        assert message.get_content_type() == "text/plain"
        assert visible_only(str(message["Subject"])), message["Subject"]
        assert visible_only(message.get_content()), message["Subject"]


def end_of_attack(server: Server, slug: str) -> dt.datetime:
    """Of round 2, as people see it: it opened late."""
    with server.store.read() as session:
        return rounds.in_effect(round_by_number(session, race_by_slug(session, slug).id, 2), "attack_closes_at")


@pytest.mark.parametrize("text", BY_THEMSELVES)
def test_no_header_comes_out_of_a_text(server: Server, people: People, text: str) -> None:
    """Even if one came into a subject as it is: it stays one line of one header, and nothing in it hides."""
    with server.store.work() as session:
        for row in session.query(OutboxMail):
            row.sent_at = row.created_at
        outbox.enqueue(session, text, "ada@example.org", f"About {text}", text, clock.now(session))
    sent: list[EmailMessage] = []
    mail.send_due_mail(server.store, server.config, sent.append)
    [message] = sent
    usual = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "List-Unsubscribe"}
    assert {name for name in message if not name.startswith(("Content-", "MIME-"))} <= usual
    head, _, _ = message.as_bytes().partition(b"\r\n\r\n")
    assert b"\r\nBcc:" not in head
    assert len(message.get_all("Subject", [])) == 1
    assert visible_only(str(message["Subject"]))


def test_in_exports(server: Server, big_race: tuple[People, Played]) -> None:
    """F9: no cell of a CSV begins a formula; JSON stays JSON; every name comes back as it was."""
    people, _ = big_race
    texts = (*HOSTILE, *(f"{lead}{WORD}" for lead in FORMULA_LEADS))
    for start in range(0, len(texts), IN_ONE_EXPORT):
        given = {number: texts[(start + number) % len(texts)] for number in range(1, 1 + TEAMS)}
        with server.store.work() as session:
            for team in session.query(Team):
                team.name = f"{given[team.number]}{team.number}"
        with server.store.read() as session:
            race = race_by_slug(session, people.slug)
            exported = export.to_csv(session, race)
            document = json.loads(export.to_json(session, race))
        rows = list(csv.DictReader(io.StringIO(exported, newline="")))
        names = {row["team"] for row in rows}
        assert all({f"{text}{number}", f"'{text}{number}"} & names for number, text in given.items())
        cells = [cell for row in rows for cell in row.values() if not is_number(cell)]
        assert not [cell for cell in cells if cell.startswith(FORMULA_LEADS)]
        assert {row["team"] for row in document["rounds"][0]["standings"]} == {
            f"{text}{number}" for number, text in given.items()
        }


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_what_a_file_says_is_shown_as_text(app: Flask, server: Server, people: People, played: Played) -> None:
    """The report of a rejected file quotes its cells; to its team, and to staff."""
    public_id = played.defences[1]
    browsers = [Browser(app).sign_in(person) for person in (people.ada, people.dana)]
    for text in BY_THEMSELVES:
        blob = server.store.blobs.put(hostile_csv(text))
        report = check_defence(server.store.blobs.path(blob.sha256), text, RULES).report
        set_state(server.store, people.slug, public_id, "rejected", report)
        for browser in browsers:
            answer = browser.get(f"/races/{people.slug}/submissions/{public_id}")
            assert answer.status_code == 200
            body = answer.get_data(as_text=True)
            assert intruders(body) == [], text
            assert "<" not in text or text not in body

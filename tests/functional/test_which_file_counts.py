"""What a team sees of its files: which of them counts, the way to each report, and what to do after a rejection."""

from __future__ import annotations

import datetime as dt

from bs4 import BeautifulSoup, Tag
from flask import Flask

from fixtures.clients import Browser, text_of
from srs.server.bootstrap import Server
from srs.server.store.races import race_by_slug
from srs.server.store.teams import team_by_number
from srs.traces.report import Report
from worlds.played_round import Played, accept_attack, accept_defence, play, send, set_state
from worlds.small_race import AFTER_ROUND, IN_ATTACK, IN_DEFENCE, People, set_clock

RACE = "/races/small"
MINUTE = dt.timedelta(minutes=1)


def main_of(browser: Browser, public_id: str) -> str:
    """The words of a submission's page, without its frame."""
    return words(browser.page(f"{RACE}/submissions/{public_id}"))


def words(page: BeautifulSoup) -> str:
    main = page.find("main")
    assert isinstance(main, Tag)
    return " ".join(main.get_text(" ").split()).replace(" .", ".")


def links(page: BeautifulSoup) -> dict[str, str]:
    """Where the links of a page's content lead, by their words."""
    main = page.find("main")
    assert isinstance(main, Tag)
    return {" ".join(link.get_text().split()): str(link["href"]) for link in main.find_all("a")}


def test_which_defence_counts(app: Flask, server: Server, people: People) -> None:
    """The newest accepted one; a rejected one says which instead, and leads to the form while the phase is open."""
    store, slug = server.store, people.slug
    ada = Browser(app).sign_in(people.ada)
    set_clock(store, IN_DEFENCE)
    faulty = send(store, people.ada, slug, "defence", b"f")
    assert "No defence counts in round 1 yet." in main_of(ada, faulty)
    set_state(store, slug, faulty, "rejected", Report())
    page = ada.page(f"{RACE}/submissions/{faulty}")
    assert "No defence counts in round 1 yet." in words(page)
    assert links(page)["Upload the mended file"] == f"{RACE}/defence#file"
    assert ada.page(f"{RACE}/defence").find(id="file")
    sent = {}
    for number, name in enumerate(("first", "second"), start=1):
        set_clock(store, IN_DEFENCE + number * MINUTE)
        sent[name] = send(store, people.ada, slug, "defence", b"f" * (number + 1))
        accept_defence(store, slug, sent[name], 5.0)
    assert "This is the defence that counts in round 1." in main_of(ada, sent["second"])
    told = {faulty: "Another one counts in round 1", sent["first"]: "A newer accepted one counts in round 1"}
    for public_id, begins in told.items():
        page = ada.page(f"{RACE}/submissions/{public_id}")
        assert f"{begins}: the defence received 2027-04-13 09:02 CEST (07:02 UTC)." in words(page)
        assert links(page)["received 2027-04-13 09:02 CEST (07:02 UTC)"] == f"{RACE}/submissions/{sent['second']}"
        assert links(page)["What your team has sent"] == f"{RACE}/defence"
    set_clock(store, IN_ATTACK)
    assert "Upload the mended file" not in main_of(ada, faulty), "its phase is over"
    dana = Browser(app).sign_in(people.dana)
    page = dana.page(f"{RACE}/submissions/{sent['second']}")
    assert "This is the defence that counts in round 1." in words(page)
    assert links(page)["All submissions of the race"] == f"{RACE.replace('/races', '/staff/races')}/submissions"
    with store.work() as session:
        team_by_number(session, race_by_slug(session, slug).id, 1).excluded_at = IN_ATTACK
    assert "Nothing of this team counts: it is excluded from the race." in main_of(dana, sent["second"])


def test_which_attack_counts(app: Flask, server: Server, people: People) -> None:
    """Match by match; before the draw there is none to tell of."""
    store, slug = server.store, people.slug
    played = play(store, people)
    ada = Browser(app).sign_in(people.ada)
    first = played.attacks[1]
    assert "This is the attack that counts against Garlic." in main_of(ada, first)
    set_clock(store, IN_ATTACK + MINUTE)
    faulty = send(store, people.ada, slug, "attack", b"f")
    set_state(store, slug, faulty, "rejected", Report())
    page = ada.page(f"{RACE}/submissions/{faulty}")
    assert "Another one counts against Garlic: the attack received" in words(page)
    assert links(page)["Upload the mended file"] == f"{RACE}/attack?round=1#file"
    set_clock(store, IN_ATTACK + 2 * MINUTE)
    accept_attack(store, slug, send(store, people.ada, slug, "attack", b"newer"))
    assert "A newer accepted one counts against Garlic: the attack received" in main_of(ada, first)
    set_clock(store, AFTER_ROUND)
    assert "A newer accepted one counts against Garlic" in main_of(ada, first)
    assert "Upload the mended file" not in main_of(ada, faulty)


def test_a_practice_attack_is_told_beside_the_house(app: Flask, server: Server, people: People, played: Played) -> None:
    """Nothing of it counts, and another one can always be sent."""
    ada = Browser(app).sign_in(people.ada)
    faulty = send(server.store, people.ada, people.slug, "practice", b"f")
    set_state(server.store, people.slug, faulty, "rejected", Report())
    set_clock(server.store, AFTER_ROUND)
    page = ada.page(f"{RACE}/submissions/{faulty}")
    assert "counts" not in words(page)
    assert links(page)["Upload the mended file"] == f"{RACE}/practice#file"


def test_every_file_in_a_list_leads_to_its_report(app: Flask, server: Server, people: People, played: Played) -> None:
    """Each link says of which file, also to who hears the links alone."""
    faulty = send(server.store, people.ada, people.slug, "practice", b"f")
    set_state(server.store, people.slug, faulty, "rejected", Report())
    ada = Browser(app).sign_in(people.ada)
    for path, public_id in (("defence", played.defences[1]), ("attack", played.attacks[1]), ("practice", faulty)):
        reports = {text: href for text, href in links(ada.page(f"{RACE}/{path}")).items() if text.startswith("Report")}
        [(text, href)] = reports.items()
        assert href == f"{RACE}/submissions/{public_id}"
        assert text.startswith("Report on ")
        assert ", received 2027-04-1" in text


def test_what_is_to_be_sent_is_said_where_it_is_sent(app: Flask, server: Server, people: People) -> None:
    """The columns with an example, where traffic comes from, and where rules and commands are."""
    ada = Browser(app).sign_in(people.ada)
    page = ada.page(f"{RACE}/defence")
    assert "cell_id,rep,direction_size,timestamp 4,0,-1500,0.153" in words(page)
    assert "Every cell from 1 to 4 is needed, each with 3 to 6 traces; Rules has the rest." in words(page)
    assert "The traffic that you defend is yours to bring" in words(page)
    rules = ada.page(f"{RACE}/rules")
    for text, anchor in (("Rules", "defence"), ("where to get them", "check")):
        assert links(page)[text] == f"{RACE}/rules#{anchor}"
        assert rules.find(id=anchor)
    told = words(rules)
    for said in (
        "There are 4 cells.",
        "Where a column's name says class , it means cell.",
        "but at most 20 such files are taken a day",
        "0.5 is guessing, 1 is perfect",
        "Why defend? What a defence costs lowers your own utility",
        "Undefended traffic leaks most. Its utility is about 5.73 of 10, for its own bytes",
        "srs check defence FILE --race small.toml",
    ):
        assert said in told, said
    assert rules.find("pre") is None, "a formula that does not wrap is cut on a phone"
    assert "srs check" in text_of(ada.get(f"{RACE}/defence"))

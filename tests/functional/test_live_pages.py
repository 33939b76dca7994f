"""What htmx asks for: parts of pages, unchanged parts, receipts; and the appearance a visitor chooses."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from fixtures.clients import BASE_URL, Browser, soup, text_of
from srs.server.bootstrap import Server
from srs.server.services import teams
from srs.server.services.races import create_race
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import rounds_of
from srs.server.store.submissions import submission_by_public_id
from srs.server.web import races
from srs.server.web.assets import automatic_theme
from worlds.played_round import play, send, set_state
from worlds.small_race import IN_DEFENCE, People, race_toml, set_clock

PART = {"HX-Request": "true", "HX-Target": "now"}


def test_a_part_of_a_page_is_sent_once(app: Flask, server: Server, people: People) -> None:
    set_clock(server.store, IN_DEFENCE)
    ada = Browser(app).sign_in(people.ada)
    first = ada.get("/races/small", headers=PART)
    assert first.status_code == 200
    assert first.headers["SRS-Part"] == "now"
    assert soup(first).find(id="now") is not None
    assert soup(first).find("html") is None
    again = ada.get("/races/small", headers={**PART, "If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""
    set_clock(server.store, IN_DEFENCE + dt.timedelta(days=1))
    later = ada.get("/races/small", headers={**PART, "If-None-Match": first.headers["ETag"]})
    assert later.status_code == 200


def test_the_clock_and_the_rounds_come_along_with_what_is_going_on(
    app: Flask, server: Server, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand elsewhere on the page. Seconds that scripts count change nothing, and nobody ranks for a part."""
    set_clock(server.store, IN_DEFENCE)
    ada = Browser(app).sign_in(people.ada)
    before = soup(ada.get("/races/small"))
    monkeypatch.setattr(races, "race_standings", None)
    part = ada.get("/races/small", headers=PART)
    beside = {str(one["id"]): one for one in soup(part).select("[hx-swap-oob=true]")}
    assert beside.keys() == {"clock", "rounds-table"}
    assert all(before.find(id=name) is not None for name in beside)
    assert "defence phase" in beside["clock"].get_text()
    assert "defence" in beside["rounds-table"].select("tbody td")[0].get_text()
    set_clock(server.store, IN_DEFENCE + dt.timedelta(seconds=20))
    unchanged = {**PART, "If-None-Match": part.headers["ETag"]}
    assert ada.get("/races/small", headers=unchanged).status_code == 304


def test_the_whole_page_names_its_part_and_when_it_looks_again(app: Flask, server: Server, people: People) -> None:
    page = soup(Browser(app).sign_in(people.ada).get("/races/small"))
    part = page.find(id="now")
    assert part is not None
    assert part["hx-get"] == "/races/small"
    assert part.has_attr("data-live")
    milliseconds = int(str(part["hx-trigger"]).removeprefix("every ").removesuffix("ms"))
    assert 15_000 <= milliseconds <= 25_000


def test_people_look_at_different_moments(app: Flask, server: Server, people: People) -> None:
    triggers = set()
    for person in (people.ada, people.ben, people.cleo, people.nils):
        part = soup(Browser(app).sign_in(person).get("/races/small")).find(id="now")
        triggers.add(part["hx-trigger"] if part else "")
    assert len(triggers) == 4


def test_the_way_of_a_submission_is_shown_until_its_verdict(app: Flask, server: Server, people: People) -> None:
    """Received, the place in the queue, the steps of the judgement, the verdict: each look shows where it is."""
    set_clock(server.store, IN_DEFENCE)
    ada = Browser(app).sign_in(people.ada)
    send(server.store, people.ben, "small", "defence", b"before")
    public_id = send(server.store, people.ada, "small", "defence", b"x")
    part = {"HX-Request": "true", "HX-Target": "judgement"}

    def look() -> BeautifulSoup:
        return soup(ada.get(f"/races/small/submissions/{public_id}", headers=part))

    assert here(look()) == "In the queue"
    assert "1 job before it" in look().get_text()
    set_state(server.store, "small", public_id, "running")
    assert here(look()) == "Reading, checking"
    with server.store.work() as session:
        submission_by_public_id(session, race_by_slug(session, "small").id, public_id).job.step = "measuring"
    assert here(look()) == "Measuring"
    assert look().find(attrs={"hx-get": True}) is not None
    set_state(server.store, "small", public_id, "rejected")
    over = look()
    assert over.find(attrs={"hx-get": True}) is None
    assert over.find(class_="way") is None
    assert over.find(id="judgement")["data-said"] == "Defence of round 1: rejected"  # type: ignore[index]


def here(part: BeautifulSoup) -> str:
    """The step that a submission is at."""
    [step] = part.find_all(attrs={"aria-current": "step"})
    return str(step.text)


def test_an_unknown_part_is_answered_with_the_page(app: Flask, server: Server, people: People) -> None:
    ada = Browser(app).sign_in(people.ada)
    response = ada.get("/races/small", headers={"HX-Request": "true", "HX-Target": "elsewhere"})
    assert soup(response).find("html") is not None
    assert "SRS-Part" not in response.headers


def test_an_upload_by_script_is_told_where_its_receipt_is(app: Flask, server: Server, people: People) -> None:
    set_clock(server.store, IN_DEFENCE)
    ada = Browser(app).sign_in(people.ada)
    form = {"csrf_token": ada.token(), "idempotency_key": "a" * 16, "file": (io.BytesIO(b"cell_id\n"), "x.csv")}
    response = ada.client.post("/races/small/defence", data=form, headers={"HX-Request": "true"}, base_url=BASE_URL)
    assert response.status_code == 204
    address = response.headers["HX-Redirect"]
    assert address.startswith("/races/small/submissions/")
    assert ada.get(address).status_code == 200


def test_a_refused_upload_by_script_is_one_sentence(app: Flask, server: Server, people: People) -> None:
    set_clock(server.store, IN_DEFENCE + dt.timedelta(days=365))
    ada = Browser(app).sign_in(people.ada)
    form = {"csrf_token": ada.token(), "idempotency_key": "a" * 16, "file": (io.BytesIO(b"x"), "x.csv")}
    response = ada.client.post("/races/small/defence", data=form, headers={"HX-Request": "true"}, base_url=BASE_URL)
    assert response.status_code == 409
    assert response.mimetype == "text/plain"
    assert "closed" in response.text
    assert "<" not in response.text


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_the_chosen_theme_stays(app: Flask, theme: str) -> None:
    visitor = Browser(app)
    assert soup(visitor.get("/")).html["data-bs-theme"] == "auto"  # type: ignore[index]
    response = visitor.post("/theme", {"theme": theme})
    assert response.status_code == 303
    page = soup(visitor.get("/"))
    assert page.html["data-bs-theme"] == theme  # type: ignore[index]
    pressed = [button["value"] for button in page.find_all("button", attrs={"aria-pressed": "true"})]
    assert pressed == [theme]
    assert bool(page.find("link", href=lambda address: bool(address) and "auto.css" in address)) == (theme == "auto")


def test_a_theme_is_chosen_without_leaving_the_page(app: Flask) -> None:
    """Its query, too: the attack page of an earlier round stays that of the earlier round."""
    page = "/races/small/attack?round=1"
    response = Browser(app).post("/theme", {"theme": "dark"}, headers={"Referer": BASE_URL + page})
    assert response.headers["Location"] == page


@pytest.mark.parametrize(
    ("page", "leads_to"),
    [
        ("/races/small/team/invite", "/races/small/team"),
        ("/staff/races/form", "/"),
        ("/races/small/defence", "/races/small/defence"),
        ("/nothing/at/all", "/"),
    ],
)
def test_from_the_answer_to_a_form_a_theme_leads_to_a_page(app: Flask, page: str, leads_to: str) -> None:
    """What stands there only takes forms; no page is there to go back to."""
    response = Browser(app).post("/theme", {"theme": "dark"}, headers={"Referer": BASE_URL + page})
    assert response.headers["Location"] == leads_to


def test_a_part_is_for_whoever_may_see_the_page(app: Flask, server: Server, people: People) -> None:
    """Paul has an account and is not in this race of members: no part of its home is his."""
    paul = Browser(app).sign_in(people.paul)
    shown = paul.get("/races/small", headers=PART)
    assert "SRS-Part" not in shown.headers
    assert "closes" not in text_of(shown)


def test_two_phases_at_once_are_both_offered(app: Flask, server: Server, people: People) -> None:
    """A draw that was late: the attack phase of round 1 reaches into the defence phase of round 2."""
    ada = Browser(app).sign_in(people.ada)
    play(server.store, people)
    with server.store.work() as session:
        first, second = rounds_of(session, race_by_slug(session, "small").id)
        first.published_at = second.defence_opens_at - dt.timedelta(hours=1)
        both = second.defence_opens_at + dt.timedelta(hours=1)
    set_clock(server.store, both)
    home = text_of(ada.get("/races/small"))
    assert "Round 1 of 2: attack" in home
    assert "The defence phase of round 2 is open, too, until" in home
    assert "Upload a defence for round 2: your team has none yet." in home
    assert ada.page("/races/small/defence").find("input", {"type": "file"})
    assert ada.upload("small", "defence", b"x").status_code == 303
    assert ada.page("/races/small/attack").find("input", {"type": "file"})


def test_who_is_excluded_is_told_so_and_asked_for_nothing(app: Flask, server: Server, people: People) -> None:
    teams.exclude_team(server.store, people.dana, "small", 1, "Sent the file of another team.")
    ada = Browser(app).sign_in(people.ada)
    for path in ("", "/defence"):
        page = ada.page(f"/races/small{path}")
        assert "excluded from the race" in page.get_text()
        assert "Sent the file of another team." in page.get_text()
        assert page.find("input", {"type": "file"}) is None
        assert "Upload a defence" not in page.main.get_text()  # type: ignore[union-attr]


def test_what_everybody_loads_alike_knows_no_session(app: Flask, server: Server, people: People) -> None:
    """Or caches could not keep it, and one that is shared might keep a session with it."""
    dana = Browser(app).sign_in(people.dana)
    for tag in dana.page("/races/small").find_all(["link", "script"]):
        answer = dana.get(str(tag.get("href") or tag["src"]))
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert "Set-Cookie" not in answer.headers
        assert "public" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("joining", "said"),
    [
        ('how = "open"', "Open to everybody with an account; a team has up to 2 people."),
        ('how = "code"\ncode = "walnut"\nteam_size_max = 1', "and the code of the race; a team has one person."),
        ('how = "approval"', "Open to whom the staff of the race let in"),
    ],
)
def test_a_stranger_learns_who_may_join(app: Flask, server: Server, people: People, joining: str, said: str) -> None:
    create_race(server.store, people.dana, race_toml("open-day", joining=joining, visibility="public"))
    page = Browser(app).get("/races/open-day")
    assert said in text_of(page)
    assert soup(page).main.find("a", string="Register")  # type: ignore[union-attr]


def test_an_unknown_theme_is_refused(app: Flask) -> None:
    response = Browser(app).post("/theme", {"theme": "neon"})
    assert response.status_code == 422
    assert "theme.unknown" in text_of(response)


def test_a_forged_theme_cookie_is_not_shown(app: Flask) -> None:
    visitor = Browser(app)
    visitor.client.set_cookie("srs-theme", '"><script>', domain="localhost")
    assert soup(visitor.get("/")).html["data-bs-theme"] == "auto"  # type: ignore[index]


def test_the_automatic_theme_is_the_dark_one_for_those_who_want_it(app: Flask) -> None:
    rules = automatic_theme(app)
    assert rules.startswith("@media (prefers-color-scheme: dark)")
    assert "--srs-accent: #8cc4f5" in rules
    assert "[data-bs-theme=dark]" not in rules
    assert rules.count("{") == rules.count("}")


def test_assets_are_kept_for_a_year_and_compressed(app: Flask) -> None:
    page = soup(Browser(app).get("/"))
    addresses = [tag["href"] for tag in page.find_all("link")] + [tag["src"] for tag in page.find_all("script")]
    assert len(addresses) == 6
    for address in map(str, addresses):
        response = Browser(app).get(address, headers={"Accept-Encoding": "gzip"})
        assert response.status_code == 200, address
        assert "immutable" in response.headers["Cache-Control"], address
        if not address.startswith("/static/icon"):
            assert response.headers["Content-Encoding"] == "gzip", address
    assert "Content-Encoding" not in Browser(app).get("/", headers={"Accept-Encoding": "gzip, br"}).headers

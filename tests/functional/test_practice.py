"""The practice match over HTTP: its page, its files, attacking it, and the examples on the other pages."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
import zipfile

import polars as pl
import pytest
from bs4 import BeautifulSoup
from flask import Flask

from fixtures.clients import BASE_URL, Browser, text_of
from srs.server.bootstrap import Server
from srs.server.services.practice import ask_the_house
from srs.server.store.jobs import PARKED, Job
from worlds.judged import judge_all
from worlds.played_round import jobs_by_state, make_practice, set_state
from worlds.small_race import AFTER_ROUND, IN_ATTACK, STARTS_AT, People, set_clock

PAGE = "/races/small/practice"


@pytest.fixture
def ready(people: People) -> People:
    """Everybody, in the small race whose practice match is made."""
    return people


def links(page: BeautifulSoup, begin: str) -> list[str]:
    return [str(link["href"]) for link in page.find_all("a") if str(link.get("href", "")).startswith(begin)]


def test_before_it_is_made(app: Flask, server: Server, people: People) -> None:
    """It says so and looks again; when the house gave up, it says that."""
    ada = Browser(app).sign_in(people.ada)
    page = ada.page(PAGE)
    assert "The house is still making the practice match" in page.get_text()
    assert page.find("meta", {"http-equiv": "refresh"})
    assert not page.find("input", {"type": "file"})
    assert ada.get(f"{PAGE}/test.parquet").status_code == 404
    early = ada.post(PAGE, {"idempotency_key": "12345678", "file": (io.BytesIO(b"x"), "x.csv")})
    assert (early.status_code, "still being made" in text_of(early)) == (409, True)
    [job_id] = ask_the_house(server.store, server.bell)
    with server.store.work() as session:
        session.get_one(Job, job_id).state = PARKED
    given_up = ada.page(PAGE)
    assert "The house could not make a practice match" in given_up.get_text()
    assert not given_up.find("meta", {"http-equiv": "refresh"})


def test_every_file_can_be_downloaded(app: Flask, server: Server, ready: People) -> None:
    """As attachments, in ranges, with an ETag, in any phase, by everybody in the race."""
    nils = Browser(app).sign_in(ready.nils)
    files = links(nils.page(PAGE), f"{PAGE}/")
    assert len(files) == 9
    for path in files:
        whole = nils.get(path)
        assert whole.status_code == 200, path
        assert whole.headers["Content-Disposition"].startswith("attachment")
        assert path.rsplit("/", 1)[1] in whole.headers["Content-Disposition"]
        assert whole.headers["ETag"] == f'"{hashlib.sha256(whole.data).hexdigest()}"'
        part = nils.get(path, headers={"Range": "bytes=10-29"})
        assert (part.status_code, part.data) == (206, whole.data[10:30])
        assert nils.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert nils.get(f"{PAGE}/key.parquet").status_code == 404, "the labels are sealed"


def test_the_example_attack_is_sent_as_it_is(app: Flask, server: Server, ready: People) -> None:
    """Sent, judged, every number shown, equal to what the page promises; in a closed phase, too."""
    ada = Browser(app).sign_in(ready.ada)
    promised = re.search(r"packets and bytes ([\d.]+) ([\d.]+)", text_of(ada.get(PAGE)))
    assert promised
    for moment in (None, IN_ATTACK, AFTER_ROUND):
        if moment:
            set_clock(server.store, moment)
        content = ada.get(f"{PAGE}/example_attack.csv.zip").data
        sent = ada.upload("small", "practice", content, "example_attack.csv.zip")
        assert sent.status_code == 303, text_of(sent)
        refused = ada.upload("small", "practice", content, "example_attack.csv.zip")
        assert refused.status_code == 409
        assert "one waits at a time" in text_of(refused)
        assert judge_all(server.store)
        shown = text_of(ada.get(sent.headers["Location"]))
        for said in (
            "Practice attack",
            "accepted",
            "Against the house",
            "Log loss",
            "the house's own attack for",
            "Bits leaked, at least",
            *promised.groups(),
        ):
            assert said in shown, said
        assert "of round" not in shown.split("Against the house", maxsplit=1)[0].split("Practice attack", maxsplit=1)[1]
    listed = text_of(ada.get(PAGE))
    assert listed.count("accepted") >= 3
    cleo = Browser(app).sign_in(ready.cleo)
    assert cleo.get(sent.headers["Location"]).status_code == 404, "another team's"
    assert "example_attack.csv.zip (" not in text_of(cleo.get(PAGE)), "what another team has tried"


def test_nothing_of_it_counts(app: Flask, server: Server, ready: People) -> None:
    ada = Browser(app).sign_in(ready.ada)
    before = [text_of(ada.get(f"/races/small{path}")) for path in ("", "/leaderboard", "/defence", "/teams/1")]
    ada.upload("small", "practice", ada.get(f"{PAGE}/example_attack.csv.zip").data)
    judge_all(server.store)
    after = [text_of(ada.get(f"/races/small{path}")) for path in ("", "/leaderboard", "/defence", "/teams/1")]
    assert before == after


def test_the_example_defence_is_sent_as_it_is(app: Flask, server: Server, ready: People) -> None:
    """The defence page offers it, and it is accepted."""
    ada = Browser(app).sign_in(ready.ada)
    [path] = links(ada.page("/races/small/defence"), f"{PAGE}/")
    sent = ada.upload("small", "defence", ada.get(path).data, "example_defence.csv.zip")
    assert judge_all(server.store)
    told = text_of(ada.get(sent.headers["Location"]))
    assert "accepted" in told
    assert "whoever attacks your team can look the answers up" in told, "a defence that everybody has the labels of"
    home = text_of(ada.get("/races/small"))
    assert re.search(r"Counts now: example_defence.csv.zip , utility [\d.]+", home)
    assert "Replace the example by a defence of your own" in home


def test_the_example_defence_is_recognised_however_it_is_packed(app: Flask, server: Server, ready: People) -> None:
    """Its rows and the numbers of its traces in another order, as Parquet: not a byte is as it was."""
    ada = Browser(app).sign_in(ready.ada)
    with zipfile.ZipFile(io.BytesIO(ada.get(f"{PAGE}/example_defence.csv.zip").data)) as archive:
        table = pl.read_csv(archive.read(archive.namelist()[0]))
    anew, most = io.BytesIO(), table["rep"].max()
    table.with_columns(rep=most - pl.col("rep")).sort(pl.col("rep"), maintain_order=True).write_parquet(anew)
    sent = ada.upload("small", "defence", anew.getvalue(), "mine.parquet")
    assert judge_all(server.store)
    told = text_of(ada.get(sent.headers["Location"]))
    assert "accepted" in told
    assert "whoever attacks your team can look the answers up" in told
    dana = Browser(app).sign_in(ready.dana)
    assert "It holds example_defence.csv.zip of the race's practice match, trace for trace" in text_of(
        dana.get(sent.headers["Location"])
    )


def test_the_attack_page_offers_the_program_and_practice(app: Flask, server: Server, people: People) -> None:
    ada = Browser(app).sign_in(people.ada)
    assert links(ada.page("/races/small/attack"), f"{PAGE}/") == [], "nothing to offer yet"
    make_practice(server.store, people.slug)
    assert links(ada.page("/races/small/attack"), f"{PAGE}/") == [f"{PAGE}/example_attack.py"]
    assert PAGE in links(ada.page("/races/small/attack"), PAGE)


def test_who_sees_what(app: Flask, server: Server, people: People) -> None:
    """In no team: no form, but the way to one. Staff: no form. A stranger: the log-in page."""
    make_practice(server.store, people.slug)
    nils, dana = (Browser(app).sign_in(person) for person in (people.nils, people.dana))
    assert "A team of one is fine" in nils.page(PAGE).get_text()
    ada = Browser(app).sign_in(people.ada).page(PAGE)
    assert ada.find("a", {"href": "#send"})
    assert ada.find(id="send")
    for browser in (nils, dana):
        page = browser.page(PAGE)
        assert not page.find("input", {"type": "file"})
        assert not page.find("a", {"href": "#send"}), "the way to a form that is not there"
    stranger = Browser(app)
    for path in (PAGE, f"{PAGE}/test.parquet"):
        assert stranger.get(path).headers["Location"].startswith("/login?next=")
    for browser in (nils, dana, stranger):
        assert browser.post(PAGE).status_code == 403


def test_a_form_without_its_token(app: Flask, server: Server, people: People) -> None:
    """The CSRF token is checked before the file is read."""
    make_practice(server.store, people.slug)
    ada = Browser(app).sign_in(people.ada)
    form: dict[str, object] = {"idempotency_key": "12345678", "file": (io.BytesIO(b"x"), "x.csv")}
    assert ada.client.post(PAGE, data=form, base_url=BASE_URL).status_code == 400
    assert jobs_by_state(server.store) == {}


def test_staff_see_practice_attacks_as_such(app: Flask, server: Server, people: People) -> None:
    make_practice(server.store, people.slug)
    ada, dana = (Browser(app).sign_in(person) for person in (people.ada, people.dana))
    sent = ada.upload("small", "practice", b"team_id,capture_id\n")
    public_id = sent.headers["Location"].rsplit("/", 1)[1]
    set_state(server.store, "small", public_id, "rejected")
    assert "practice" in text_of(dana.get("/staff/races/small/submissions"))
    assert "against the uploads of its day" not in text_of(dana.get(sent.headers["Location"]))


def test_faulty_files_have_a_limit_a_day(app: Flask, server: Server, people: People) -> None:
    """The race's limit on files that are rejected holds for practice, too; another team has its own."""
    make_practice(server.store, people.slug)
    ada, cleo = (Browser(app).sign_in(person) for person in (people.ada, people.cleo))
    assert "at most 20 files that do not pass the checks are taken a day" in text_of(ada.get(PAGE))
    for _ in range(20):
        sent = ada.upload("small", "practice", b"nothing")
        set_state(server.store, "small", sent.headers["Location"].rsplit("/", 1)[1], "rejected")
    refused = ada.upload("small", "practice", b"nothing")
    assert refused.status_code == 429
    assert "20 practice attacks of your team were rejected today" in text_of(refused)
    assert cleo.upload("small", "practice", b"nothing").status_code == 303
    set_clock(server.store, STARTS_AT + dt.timedelta(days=1))
    assert ada.upload("small", "practice", b"nothing").status_code == 303

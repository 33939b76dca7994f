"""Defences and attacks: sent, shown, judged, kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import io

from flask import Flask

from fixtures.clients import Browser, soup, text_of
from srs.server.bootstrap import Server
from srs.server.store.scores import AttackScore
from srs.traces.report import Problem, Report
from worlds.played_round import Played, jobs_by_state, set_state
from worlds.small_race import AFTER_ROUND, IN_ATTACK, PHASE, STARTS_AT, People, race_toml, set_clock
from worlds.small_race import populate as populate_race

FILE = b"cell_id,rep,direction_size,timestamp\n1,1,+500,0.0\n"


def test_a_defence_is_received(app: Flask, server: Server, people: People) -> None:
    """The form shows limits, quota and reset; the page of the submission shows bytes, moment and state."""
    ada = Browser(app).sign_in(people.ada)
    form = text_of(ada.get("/races/small/defence"))
    assert "5 of 5 uploads left today" in form
    assert "2027-04-14 00:00 CEST" in form
    assert "64 MB" in form
    response = ada.upload("small", "defence", FILE, "my traces.csv")
    assert response.status_code == 303
    shown = ada.get(response.headers["Location"])
    for said in ("queued", "my traces.csv", "Sent by Ada", "09:00 CEST (07:00 UTC)", hashlib.sha256(FILE).hexdigest()):
        assert said in text_of(shown), said
    assert soup(shown).find("meta", {"http-equiv": "refresh"})
    assert ada.get(response.headers["Location"] + "/file").data == FILE
    again = ada.get("/races/small/defence")
    assert "4 of 5 uploads left today" in text_of(again)
    assert not soup(again).find("meta", {"http-equiv": "refresh"}), "it would take back the file that is being chosen"
    ben = Browser(app).sign_in(people.ben)
    assert "my traces.csv" in text_of(ben.get("/races/small/defence"))


def test_a_double_click(app: Flask, server: Server, people: People) -> None:
    """R10 in the browser: one form sent twice is one submission."""
    ada = Browser(app).sign_in(people.ada)
    page = ada.page("/races/small/defence")
    answers = [ada.submit(page, "/defence", file=(io.BytesIO(FILE), "x.csv")) for _ in range(2)]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert jobs_by_state(server.store) == {"queued": 1}


def test_an_answer_that_got_lost(app: Flask, server: Server, people: People) -> None:
    """Who sends the same form again finds the submission, even after the phase has closed; a fresh form is refused."""
    ada = Browser(app).sign_in(people.ada)
    sent, fresh = ada.page("/races/small/defence"), ada.page("/races/small/defence")
    first = ada.submit(sent, "/defence", file=(io.BytesIO(FILE), "x.csv"))
    set_clock(server.store, STARTS_AT + PHASE)
    again = ada.submit(sent, "/defence", file=(io.BytesIO(FILE), "x.csv"))
    assert (again.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert ada.submit(fresh, "/defence", file=(io.BytesIO(FILE), "x.csv")).status_code == 409
    assert jobs_by_state(server.store) == {"queued": 1}


def test_an_upload_that_is_refused_leaves_nothing(app: Flask, server: Server, people: People) -> None:
    """Only then is it known that its form has sent another file; what somebody else has sent stays."""
    ada, cleo = Browser(app).sign_in(people.ada), Browser(app).sign_in(people.cleo)
    page = ada.page("/races/small/defence")
    assert ada.submit(page, "/defence", file=(io.BytesIO(FILE), "x.csv")).status_code == 303
    assert cleo.upload("small", "defence", b"of another team").status_code == 303
    before = blobs(server)
    for refused in (b"another file", b"of another team"):
        answer = ada.submit(page, "/defence", file=(io.BytesIO(refused), "x.csv"))
        assert (answer.status_code, "sent another file" in text_of(answer)) == (422, True)
    assert blobs(server) == before
    assert len(before) == 2


def blobs(server: Server) -> set[str]:
    return {path.name for path in server.store.blobs.root.glob("*/*") if path.is_file()}


def test_the_quota(app: Flask, server: Server) -> None:
    people = populate_race(server.store, race_toml(tables="[limits]\ndefences_per_day = 2\n"))
    ada = Browser(app).sign_in(people.ada)
    stale = ada.page("/races/small/defence")
    for number in range(2):
        assert ada.upload("small", "defence", FILE + b"%d" % number).status_code == 303
    refused = ada.submit(stale, "/defence", file=(io.BytesIO(FILE), "x.csv"))
    assert refused.status_code == 429
    assert "the next slot opens at 2027-04-14 00:00 CEST" in text_of(refused)
    assert "No uploads left" in text_of(ada.get("/races/small/defence"))
    assert jobs_by_state(server.store) == {"queued": 2}


def test_after_the_deadline(app: Flask, server: Server, people: People) -> None:
    """The answer names both moments, and nothing is stored."""
    ada = Browser(app).sign_in(people.ada)
    page = ada.page("/races/small/defence")
    set_clock(server.store, STARTS_AT + PHASE + dt.timedelta(seconds=42))
    late = ada.submit(page, "/defence", file=(io.BytesIO(FILE), "x.csv"))
    assert late.status_code == 409
    assert "closed at 2027-04-14 08:00 CEST (06:00 UTC), 42 seconds before your upload began" in text_of(late)
    assert jobs_by_state(server.store) == {}


def test_no_file_chosen(app: Flask, server: Server, people: People) -> None:
    ada = Browser(app).sign_in(people.ada)
    refused = ada.submit(ada.page("/races/small/defence"), "/defence", file=(io.BytesIO(b""), ""))
    assert refused.status_code == 422
    assert "No file was chosen" in text_of(refused)


def test_a_report_shows_every_problem(app: Flask, server: Server, people: People) -> None:
    """Code, line, column and sentence of each, the rest counted; what the file says is escaped."""
    ada = Browser(app).sign_in(people.ada)
    path = ada.upload("small", "defence", FILE).headers["Location"]
    problems = [
        Problem("trace.size-zero", f"Problem {n} <b>bold</b>.", line=48_213 + n, column="rep") for n in range(25)
    ]
    set_state(server.store, "small", path.rsplit("/", 1)[-1], "rejected", Report(problems=tuple(problems)))
    response = ada.get(path)
    text = text_of(response)
    assert "A packet's size is 0 20 lines" in text
    assert "1 kind of problem (and 5 more problems not shown)." in text
    assert "trace.size-zero" in text
    assert "line 48 213, column rep" in text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "How to mend it: A size is the whole number of bytes of one packet" in text
    assert "Problem 19 <b>bold</b>." in text
    assert "<b>bold" not in response.get_data(as_text=True)
    assert not soup(response).find("meta", {"http-equiv": "refresh"})
    assert "5 of 5 uploads left" in text_of(ada.get("/races/small/defence")), "a rejected file does not count"


def test_metrics_and_utility(app: Flask, server: Server, people: People, played: Played) -> None:
    ada = Browser(app).sign_in(people.ada)
    text = text_of(ada.get(f"/races/small/submissions/{played.defences[1]}"))
    assert "Utility 5.0000" in text
    assert "400 000" in text
    assert "12.500" in text


def test_attacking(app: Flask, server: Server, people: People, played: Played) -> None:
    """My matches and their files; two decimals of the public part while the round is open, everything after."""
    ada = Browser(app).sign_in(people.ada)
    page = ada.page("/races/small/attack")
    text = " ".join(page.text.split())
    assert "Against Garlic team_id 2" in text
    assert "Accuracy 0.57 , ROC-AUC 0.88" in text.replace("0.57,", "0.57 ,")
    for name in ("train.csv.zip", "test.csv.zip", "train.parquet", "test.parquet", "manifest.json", "README.md"):
        [link] = [link for link in page.find_all("a") if link.text == name]
        sent = ada.get(str(link["href"]))
        assert sent.status_code == 200
        assert name in sent.headers["Content-Disposition"]
    assert ada.upload("small", "attack", b"team_id,capture_id\n", "guesses.csv").status_code == 303
    report = f"/races/small/submissions/{played.attacks[1]}"
    during = ada.get(report).get_data(as_text=True) + ada.get("/races/small/leaderboard").get_data(as_text=True)
    for secret in ("0.9123", "0.6543", "3.25", "cell 3", "interval", "0.8765", "0.5678"):
        assert secret not in during, secret
    set_state(server.store, "small", newest(ada), "rejected", Report())
    set_clock(server.store, AFTER_ROUND + dt.timedelta(minutes=30))
    after = text_of(ada.get(report))
    assert "0.9123" in after
    assert "0.6543" in after
    for said in (
        "Mean rank of the true cell 3.2500",
        "95 % interval 0.8500 to 0.9500",
        "Worst guessed cell 3",
        "cell 3 cell 4 1.50",
    ):
        assert said in after, said


def newest(browser: Browser) -> str:
    """The public id of the submission at the top of the attack page."""
    links = [str(link["href"]) for link in browser.page("/races/small/attack").find_all("a", href=True)]
    return next(link.rsplit("/", 1)[-1] for link in links if "/submissions/" in link and not link.endswith("/file"))


def test_what_is_still_to_do(app: Flask, server: Server, people: People) -> None:
    """The home of the race says what the team lacks in this phase, and until when."""
    ada = Browser(app).sign_in(people.ada)
    assert "your team has none yet" in text_of(ada.get("/races/small"))
    public_id = ada.upload("small", "defence", FILE).headers["Location"].rsplit("/", 1)[-1]
    assert "Your defence is being judged" in text_of(ada.get("/races/small"))
    set_state(server.store, "small", public_id, "rejected", Report())
    assert "none of those sent so far does" in text_of(ada.get("/races/small"))
    set_state(server.store, "small", public_id, "accepted", Report())
    text = text_of(ada.get("/races/small"))
    assert "has done what this phase asks for" in text
    assert "closes at 2027-04-14 08:00 CEST (06:00 UTC) , in 23 h 0 min" in text


def test_a_match_without_an_attack(app: Flask, server: Server, people: People, played: Played) -> None:
    with server.store.work() as session:
        session.query(AttackScore).delete()
    set_clock(server.store, IN_ATTACK)
    ada = Browser(app).sign_in(people.ada)
    assert "Upload an attack on Garlic: a match without one counts 0." in text_of(ada.get("/races/small"))


def test_standings(app: Flask, server: Server, people: People, played: Played) -> None:
    """Provisional by the public part, final by the rest; one's own row is marked; medians on the team's page."""
    ada = Browser(app).sign_in(people.ada)
    board = text_of(ada.get("/races/small/leaderboard"))
    assert "provisional" in board
    assert "Onions (yours)" in board
    assert f"{6.0 * 8.8:.2f}" in board
    set_state(server.store, "small", played.attacks[1], "accepted", Report())
    set_clock(server.store, AFTER_ROUND + dt.timedelta(minutes=30))
    final = text_of(ada.get("/races/small/rounds/1"))
    assert "Round 1, final" in final
    assert f"{6.0 * 9.12345:.2f}" in final
    team = text_of(ada.get("/races/small/teams/1"))
    assert "5.00 (\u22120.50)" in team
    assert "2 of 2" in team
    assert "This is also the standing of the race" in text_of(ada.get("/races/small/leaderboard"))

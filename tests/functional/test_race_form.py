"""A race by form: it writes a race.toml, whose preview and problems are those of a file."""

from __future__ import annotations

import datetime as dt
import re
import tomllib

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from fixtures.clients import Browser, soup, text_of
from fixtures.tables import hashes
from srs.game.race import Joining, Limits, read_rules
from srs.server.bootstrap import Server
from srs.server.store.races import race_by_slug
from worlds.small_race import STARTS_AT, People, set_clock

ROUND = {
    "rounds-0-defence_opens": "2027-04-13T08:00",
    "rounds-0-defence_closes": "2027-04-17T18:00",
    "rounds-0-attack_opens": "2027-04-18T08:00",
    "rounds-0-attack_closes": "2027-04-24T18:00",
}
FILLED = {
    "title": "Spring race",
    "slug": "spring-2027",
    "timezone": "Europe/Zurich",
    "joining__how": "open",
    **ROUND,
}


@pytest.fixture
def dana(app: Flask, server: Server, people: People) -> Browser:
    """Dana's browser."""
    return Browser(app).sign_in(people.dana)


def fill_in(browser: Browser, **values: str) -> tuple[int, BeautifulSoup]:
    """Send the form as a browser does: the fields as they are on the page, but for ``values``."""
    page = browser.page("/staff/races/new")
    response = browser.submit(page, "/form", **(selected(page) | values))
    return response.status_code, soup(response)


def selected(page: BeautifulSoup) -> dict[str, str]:
    """What the page's selects offer first, which a browser would send."""
    offered = {}
    for select in page.find_all("select"):
        chosen = select.find("option", selected=True) or select.find("option")
        offered[str(select["name"])] = str(chosen["value"])
    return {**offered, "joining__anonymous": ""} | FILLED


def toml_on(page: BeautifulSoup) -> str:
    """The text of the preview."""
    return page.find("textarea", {"name": "toml"}).text.lstrip("\n")  # type: ignore[union-attr]


def test_what_the_form_says_is_the_race(dana: Browser, server: Server) -> None:
    """Form, preview, race: equal rules at each step, with the defaults of the rules; the preview creates nothing."""
    before = hashes(server.store)
    status, preview = fill_in(dana)
    assert status == 200
    assert "2027-04-13 08:00 CEST (06:00 UTC)" in re.sub(r"\s+", " ", preview.get_text(" "))
    assert hashes(server.store) == before
    toml = toml_on(preview)
    rules = read_rules(toml)
    assert rules == read_rules(
        'slug = "spring-2027"\ntitle = "Spring race"\ntimezone = "Europe/Zurich"\n[joining]\nhow = "open"\n[[rounds]]\n'
        "defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]\nattack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]\n"
    )
    assert (rules.limits, rules.joining) == (Limits(), Joining(how="open"))
    assert dana.submit(preview, "/staff/races/new").status_code == 303
    with server.store.read() as session:
        assert race_by_slug(session, "spring-2027").rules == rules
    kept = dana.get("/staff/races/spring-2027/race.toml")
    assert kept.headers["Content-Disposition"] == "attachment; filename=spring-2027.toml"
    assert read_rules(kept.get_data()) == rules


def test_every_answer_reaches_the_rules(dana: Browser) -> None:
    """Each field of the form is a key of the rules, and says what was written there."""
    second = {
        name.replace("-0-", "-2-").replace("rounds-0", "rounds-2"): at.replace("-04-", "-05-")
        for name, at in ROUND.items()
    }
    status, preview = fill_in(
        dana,
        **second,
        description='A "long"\r\n\r\ndescription \\ here.',
        visibility="public",
        joining__how="code",
        joining__code='wal"nut',
        joining__email_domains="@EPFL.ch, example.org",
        joining__team_size_max="3",
        joining__locks_at="2027-04-12T18:00",
        joining__anonymous="y",
        classes__count="",
        classes__names="\r\n".join(f"Page {number}" for number in range(30)),
        classes__singular="page",
        classes__column="page_id",
        repetitions_least="20",
        repetitions_most="30",
        traces__upload_max_mb="32",
        split__test_traces="120",
        split__test_pool="150",
        split__public_share="0.5",
        matches__per_team="4",
        limits__defences_per_day="6",
        limits__attacks_per_day="7",
        limits__faulty_per_day="8",
        scoring__over_rounds="best",
    )
    assert status == 200, preview.get_text(" ")
    rules = read_rules(toml_on(preview))
    assert rules.description == 'A "long"\n\ndescription \\ here.'
    assert (rules.visibility, len(rules.rounds)) == ("public", 2)
    joining = rules.joining
    assert (joining.how, joining.code, joining.team_size_max, joining.anonymous) == ("code", 'wal"nut', 3, True)
    assert joining.email_domains == ("epfl.ch", "example.org")
    assert joining.locks_at is not None
    assert joining.locks_at.isoformat() == "2027-04-12T16:00:00+00:00"
    classes = rules.classes
    assert (classes.count, classes.names[29], classes.singular, classes.column) == (30, "Page 29", "page", "page_id")
    assert (rules.traces.repetitions, rules.traces.upload_max_mb) == ((20, 30), 32)
    assert (rules.split.test_traces, rules.split.test_pool, rules.split.public_share) == (120, 150, 0.5)
    limits = rules.limits
    assert (limits.defences_per_day, limits.attacks_per_day, limits.faulty_per_day) == (6, 7, 8)
    assert (rules.matches.per_team, rules.scoring.over_rounds) == (4, "best")


def told(page: BeautifulSoup) -> dict[str, str]:
    """What is said beside each field, by the id of the field; the summary leads to each."""
    said = {
        str(place["id"]).removesuffix("-errors"): re.sub(r"\s+", " ", place.text).strip()
        for place in page.find_all("div", class_="invalid-feedback")
    }
    for id_, sentence in said.items():
        field = page.find(id=id_)
        assert field is not None
        assert f"{id_}-errors" in str(field["aria-describedby"])
        links = page.find_all("a", href=f"#{id_}")
        assert any(sentence.startswith(link.text.partition(": ")[2]) for link in links), "the summary leads there"
    return said


def test_each_problem_stands_at_its_field(dana: Browser, server: Server) -> None:
    before = hashes(server.store)
    wrong = {
        "title": "",
        "slug": "No Slug!",
        "timezone": "Europe/Zürich",
        "joining__team_size_max": "many",
        "classes__count": "1",
        "repetitions_most": "20000",
        "limits__attacks_per_day": "0",
        "rounds-1-defence_opens": "soon",
    }
    status, page = fill_in(dana, **wrong)
    assert status == 422
    said = told(page)
    assert set(said) == set(wrong) | {"rounds-1-defence_closes", "rounds-1-attack_opens", "rounds-1-attack_closes"}
    assert said["title"] == "missing, expected a line of 1 to 100 characters."
    assert said["joining__team_size_max"] == 'found "many", expected a whole number from 1 to 100.'
    assert said["repetitions_most"] == 'found "20000", expected a whole number from 1 to 10000.'
    assert "Did you mean Europe/Zurich?" in said["timezone"]
    assert said["rounds-1-defence_opens"].startswith('found "soon", expected a date and time')
    assert said["rounds-1-attack_closes"].startswith("missing, expected a date and time")
    assert "Round 2, attack closes: missing" in text_of_summary(page)
    assert page.find(id="slug")["value"] == "No Slug!", "what was written is still there"  # type: ignore[index]
    assert page.find(id="rounds-1-defence_opens")["value"] == "soon"  # type: ignore[index]
    assert hashes(server.store) == before


def text_of_summary(page: BeautifulSoup) -> str:
    """The words of the list of all problems."""
    return re.sub(r"\s+", " ", page.find("div", role="alert").get_text(" "))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answers", "place", "sentence"),
    [
        ({"joining__how": "code"}, "joining__code", "missing, expected the code to join with: “Who may join” asks"),
        ({"classes__count": "4", "classes__names": "a\nb\nc"}, "classes__names", "found 3 names, expected 4, one for"),
        ({"repetitions_least": "30", "repetitions_most": "20"}, "repetitions_least", "the least is 30 and the most 20"),
        ({"repetitions_most": "1"}, "repetitions_most", "the least is 1, expected at least 2"),
        (
            {"classes__count": "10", "split__test_traces": "300"},
            "split__test_traces",
            "found 300, which takes 30 traces",
        ),
        ({"classes__count": "10", "split__test_pool": "5"}, "split__test_pool", "found 5, expected at least one for"),
        (
            {"split__test_traces": "200", "split__test_pool": "100"},
            "split__test_pool",
            "found 100, expected at least “Traces in a test set”, 200.",
        ),
        ({"rounds-0-attack_closes": "2027-04-18T07:00"}, "rounds-0-attack_closes", "closes at 2027-04-18 07:00+02:00"),
        (
            {"rounds-0-attack_opens": "2027-04-17T17:00"},
            "rounds-0-attack_opens",
            "opens at 2027-04-17 17:00+02:00, expected not before the defence phase of round 1 has closed",
        ),
        (
            {"rounds-0-attack_closes": "2028-03-26T02:30"},
            "rounds-0-attack_closes",
            "2028-03-26T02:30:00 does not exist in Europe/Zurich",
        ),
        ({"classes__names": "rounds[9].attack\n" * 2}, "classes__names", "found rounds[9].attack more than once"),
        ({"slug": "small"}, "slug", 'there is a race "small" already; choose another name.'),
    ],
)
def test_answers_that_contradict_each_other(dana: Browser, answers: dict[str, str], place: str, sentence: str) -> None:
    """Told once, beside an answer that was given, in the words of the form."""
    status, page = fill_in(dana, **answers)
    assert status == 422
    [(id_, said)] = told(page).items()
    assert (id_, said[: len(sentence)]) == (place, sentence)
    assert not re.search(r"\b(joining|classes|traces|split)\.[a-z]|rounds\[1", said), "no key of the file"


@pytest.mark.parametrize(
    ("answers", "follows"),
    [
        ({"classes__count": "10"}, (10, (25, 39), 120, 120)),
        ({"classes__names": "a\nb\nc"}, (3, (25, 39), 36, 36)),
        ({"classes__count": "500"}, (500, (25, 39), 500, 500)),
        ({"repetitions_least": "50"}, (100, (50, 50), 300, 300)),
        ({"repetitions_least": "2"}, (100, (2, 39), 100, 100)),
        ({"repetitions_most": "10"}, (100, (10, 10), 300, 300)),
        ({"split__test_traces": "400"}, (100, (25, 39), 400, 400)),
        ({"split__test_pool": "200"}, (100, (25, 39), 200, 200)),
        ({"split__test_pool": "900"}, (100, (25, 39), 300, 900)),
    ],
)
def test_what_is_left_empty_agrees_with_what_is_filled_in(
    dana: Browser, answers: dict[str, str], follows: tuple[object, ...]
) -> None:
    status, preview = fill_in(dana, **answers)
    assert status == 200, text_of_summary(preview)
    rules = read_rules(toml_on(preview))
    split = rules.split
    assert (rules.classes.count, rules.traces.repetitions, split.test_traces, split.test_pool) == follows


def test_the_form_as_it_is_met(dana: Browser, server: Server) -> None:
    """The zone is that of the newest race; what must be filled in says so; one round is shown."""
    page = dana.page("/staff/races/new")
    assert page.find(id="timezone")["value"] == "Europe/Zurich"  # type: ignore[index]
    required = {str(label["for"]) for label in page.find_all("label") if label.text.endswith("(required)")}
    assert required == {"title", "slug", "timezone", *ROUND}
    assert {str(field["id"]) for field in page.find_all(attrs={"aria-required": "true"})} == required
    more = page.find("details")
    assert not more.has_attr("open")  # type: ignore[union-attr]
    _status, page = fill_in(dana, title="", **{"rounds-3-attack_opens": "2027-06-01T08:00"})
    assert page.find("details").has_attr("open")  # type: ignore[union-attr]


def test_the_preview_says_all_in_words(dana: Browser, server: Server) -> None:
    set_clock(server.store, STARTS_AT - dt.timedelta(days=1))
    _status, preview = fill_in(
        dana, joining__how="code", joining__code="walnut", scoring__over_rounds="mean", classes__names="one\ntwo\nthree"
    )
    said = re.sub(r"\s+", " ", preview.find("main").get_text(" "))  # type: ignore[union-attr]
    for words in (
        "whoever has the code, walnut",
        "scheme srs2022 (utility × attack); the race's standing is the mean of the rounds",
        "3, each called a cell",
        "36 traces for each match",
        "each team attacks 3 other teams' defences in each round",
    ):
        assert words in said, words
    assert preview.find(class_="alert-warning") is None


@pytest.mark.parametrize(
    ("days", "attack_opens", "doubt"),
    [
        (1, "2027-04-18T08:00", "Round 1 has begun already"),
        (100, "2027-04-18T08:00", "Every round is over already"),
        (-1, "2027-04-17T18:02", "Round 1 leaves no time for its draw"),
    ],
)
def test_the_preview_doubts_what_may_not_be_meant(
    dana: Browser, server: Server, days: int, attack_opens: str, doubt: str
) -> None:
    set_clock(server.store, STARTS_AT + dt.timedelta(days=days))
    _status, preview = fill_in(dana, **{"rounds-0-attack_opens": attack_opens})
    [warning] = preview.find_all(class_="alert-warning")
    assert warning.text.startswith(doubt)


def test_rows_that_no_form_names_are_left_out(dana: Browser) -> None:
    status, _ = fill_in(dana, **{"rounds-\u00b2-defence_opens_at": "2027-04-13T08:00", "rounds-x": "y"})
    assert status == 200


def test_a_race_without_rounds(dana: Browser) -> None:
    status, page = fill_in(dana, **dict.fromkeys(ROUND, ""))
    assert status == 422
    assert told(page) == dict.fromkeys(ROUND, "missing, expected a date and time, such as 2027-04-13T08:00.")


def test_more_text_than_a_race_may_have(dana: Browser) -> None:
    """A problem of the whole text has no field and stands at the top."""
    status, page = fill_in(dana, description="\x01" * 20_000)
    assert status == 422
    assert "a race.toml has at most" in page.find("div", role="alert").text  # type: ignore[union-attr]


def test_a_preview_is_kept_or_changed(dana: Browser) -> None:
    _status, preview = fill_in(dana)
    toml = toml_on(preview)
    kept = dana.post("/staff/races/race.toml", {"toml": toml})
    assert kept.headers["Content-Disposition"] == "attachment; filename=race.toml"
    assert tomllib.loads(kept.get_data(as_text=True)) == tomllib.loads(toml)
    again = soup(dana.post("/staff/races/preview", {"toml": toml, "change": "1"}))
    assert tomllib.loads(toml_on(again)) == tomllib.loads(toml)
    assert "Nothing is created" in text_of(dana.get("/staff/races/new"))


def test_the_answers_are_changed_after_the_preview(dana: Browser) -> None:
    """The form comes back as it was filled in, without a word about problems."""
    _status, preview = fill_in(dana, title="Autumn race", joining__anonymous="y", description="Two\nlines.")
    again = soup(dana.submit(preview, "/staff/races/form"))
    assert again.find(id="title")["value"] == "Autumn race"  # type: ignore[index]
    assert again.find(id="joining__anonymous").has_attr("checked")  # type: ignore[union-attr]
    assert again.find(id="description").text.strip() == "Two\nlines."  # type: ignore[union-attr]
    assert again.find(id="rounds-0-attack_closes")["value"] == ROUND["rounds-0-attack_closes"]  # type: ignore[index]
    assert again.find(id="joining__how").find("option", selected=True)["value"] == "open"  # type: ignore[index,union-attr]
    assert again.find("div", role="alert") is None

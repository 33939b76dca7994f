"""What a round's page, a team's page and a report tell in words and pictures, and what none of them tells too "
"early."""

from __future__ import annotations

import datetime as dt

import pytest
from flask import Flask

from fixtures.clients import BASE_URL, Browser, soup, text_of
from srs.server.bootstrap import Server
from srs.server.services import races, teams
from srs.server.services.access import Person
from srs.server.store.engine import Store
from srs.server.store.jobs import ACCEPTED
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.scores import AttackScore, DefenceScore
from srs.server.store.submissions import submission_by_public_id
from srs.server.store.teams import team_by_number
from srs.server.web import races as race_pages
from srs.traces.report import Excerpt, Problem, Report
from worlds.played_round import METRICS, Played, play, send, set_state
from worlds.small_race import (
    AFTER_ROUND,
    IN_ATTACK,
    PAUSE,
    PHASE,
    STARTS_AT,
    People,
    add_person,
    populate,
    race_toml,
    set_clock,
)

RACE = "/races/small"
FINAL_ONLY = ("0.9123", "9.12", "65 %", "0.6543")
PICTURES = (f"{RACE}/rounds/1/defences.svg", f"{RACE}/leaderboard/class.svg", f"{RACE}/teams/1/way.svg")
SECOND_ROUND = STARTS_AT + 2 * (PHASE + PAUSE) + dt.timedelta(hours=1)
HOSTILE = '<b onclick="x">&{{ 7*7 }}'


def add_class_accuracy(store: Store) -> None:
    """As judged: the metrics of the season have no numbers of classes."""
    with store.work() as session:
        for score in session.query(AttackScore):
            score.final = {**score.final, "accuracy_per_class": [0.25, 1.0, None, 0.5]}


def accept(store: Store, slug: str, person: Person, received: float, *, is_drawn: bool) -> str:
    """A defence of somebody's team that receives so many bytes, accepted."""
    public_id = send(store, person, slug, "defence", person.name.encode() + b"x" * int(received / 10_000))
    set_state(store, slug, public_id, ACCEPTED, Report())
    with store.work() as session:
        submission = submission_by_public_id(session, race_by_slug(session, slug).id, public_id)
        session.add(
            DefenceScore(
                job_id=submission.job.id, submission_id=submission.id, version="1", utility=5.0, implausible=False,
                is_drawn=is_drawn, traces=16, packets=1600, metrics={**METRICS, "median_in_volume": received},
                signals=[], files={}, pool_sha256="0" * 64, published_sha256="0" * 64,
            )
        )  # fmt: skip
    return public_id


def others(store: Store, slug: str, count: int) -> list[Person]:
    """So many more teams of one."""
    people = [add_person(store, f"Other{number}") for number in range(count)]
    for person in people:
        races.join(store, person, slug)
        teams.create_team(store, person, slug, f"Team of {person.name}")
    return people


def draw(store: Store, slug: str, number: int) -> None:
    """The draw of a round, as far as pages look at it."""
    with store.work() as session:
        drawn = round_by_number(session, race_by_slug(session, slug).id, number)
        drawn.drawn_at = drawn.published_at = drawn.defence_closes_at + dt.timedelta(minutes=5)
        for score in session.query(DefenceScore):
            score.is_drawn = True


def test_before_the_attack_phase_nothing_is_ranked(app: Flask, server: Server, people: People) -> None:
    """G8: what teams send in the defence phase is not on the page of the round, nor in any picture."""
    accept(server.store, people.slug, people.cleo, 400_000, is_drawn=False)
    ada = Browser(app).sign_in(people.ada)
    text = text_of(ada.get(f"{RACE}/rounds/1"))
    assert "Nothing to rank yet" in text
    assert "5.00" not in text
    assert [ada.get(path).status_code for path in PICTURES] == [404, 404, 404]


def test_a_provisional_round_tells_what_is_public(app: Flask, server: Server, people: People, played: Played) -> None:
    """G8: who leads and why, from the public part to two decimals; no story, nothing of the part kept back."""
    add_class_accuracy(server.store)
    ada = Browser(app).sign_in(people.ada)
    response = ada.get(f"{RACE}/rounds/1")
    text = text_of(response)
    assert "Garlic leads round 1 so far, with a total of 52.80: a utility of 6.00 (the best) times an attack of" in text
    assert "Provisional: attacks are scored on the public part" in text
    assert "total = utility × attack" in text
    assert "The story of round 1" not in text
    team = text_of(ada.get(f"{RACE}/teams/2"))
    assert "How its defence held" not in team
    for told in FINAL_ONLY:
        assert told not in response.get_data(as_text=True)
        assert told not in team
    assert [ada.get(path).status_code for path in PICTURES] == [404, 200, 200]


def test_a_picture_of_a_round_that_is_played_is_never_an_old_one(
    app: Flask, server: Server, people: People, played: Played
) -> None:
    """The table below it is of this moment, so a browser asks for the picture each time; 304 while it is the same."""
    ada = Browser(app).sign_in(people.ada)
    for path in PICTURES[1:]:
        picture = ada.get(path)
        assert picture.headers["Cache-Control"] == "private, no-cache"
        assert ada.get(path, headers={"If-None-Match": picture.headers["ETag"]}).status_code == 304
    before = {"If-None-Match": ada.get(PICTURES[1]).headers["ETag"]}
    with server.store.work() as session:
        for score in session.query(AttackScore):
            score.public = {**score.public, "auc": score.public["auc"] / 2}
    assert ada.get(PICTURES[1], headers=before).status_code == 200


def test_a_round_that_is_over_tells_its_story(app: Flask, server: Server, people: People, played: Played) -> None:
    add_class_accuracy(server.store)
    set_clock(server.store, AFTER_ROUND)
    ada = Browser(app).sign_in(people.ada)
    response = ada.get(f"{RACE}/rounds/1")
    text = text_of(response)
    assert (
        "Garlic won round 1 with a total of 54.74: a utility of 6.00 (the best) times an attack of 9.12 (the best, "
        "shared)." in text
    )
    assert "Onions came next, 9.12 points behind; Garlic was ahead in one and equal in the other." in text
    assert "2 teams defended. The cheapest defence was that of Garlic (utility 6.00, 0.9 times the bytes of" in text
    assert "the cells guessed right" not in text, "of three classes one is named at either end"
    assert "the cell guessed right most often: cell 2 (100 %). Best hidden: cell 1 (25 %). A blind guess" in text
    assert (
        "Garlic against Onions and Onions against Garlic, equally: the right cell for 65 % of the test traces, ROC-AUC "
        "0.912" in text
    )
    figures = [str(one["id"]) for one in soup(response).select("figure")]
    assert figures == ["figure-defences"], "that of the class over the rounds is on the page of the race"
    assert "Onions (yours)" in text
    for path in PICTURES:
        picture = ada.get(f"{path}?theme=dark&size=narrow")
        assert (picture.status_code, picture.mimetype) == (200, "image/svg+xml")
    team = text_of(ada.get(f"{RACE}/teams/2"))
    assert "How its defence held in round 1" in team
    assert "Onions 0.6543 0.9123" in team


def test_the_table_is_a_part_that_looks_again_while_it_is_provisional(
    app: Flask, server: Server, people: People, played: Played
) -> None:
    ada = Browser(app).sign_in(people.ada)
    headers = {"HX-Request": "true", "HX-Target": "standings"}
    part = ada.get(f"{RACE}/rounds/1", headers=headers)
    assert soup(part).find("h1") is None
    assert "Garlic leads round 1" in text_of(part)
    assert "hx-get" in part.get_data(as_text=True)
    again = ada.get(f"{RACE}/rounds/1", headers={**headers, "If-None-Match": part.headers["ETag"]})
    assert again.status_code == 304
    set_clock(server.store, AFTER_ROUND)
    over = ada.get(f"{RACE}/rounds/1", headers={**headers, "If-None-Match": part.headers["ETag"]})
    assert "hx-get" not in over.get_data(as_text=True)
    assert over.headers["HX-Refresh"] == "true", "the rest of the page says that the round is provisional"
    assert "HX-Refresh" not in ada.get(f"{RACE}/rounds/1").headers
    assert "HX-Refresh" not in part.headers


def test_names_in_an_anonymous_race_and_hostile_ones(app: Flask, server: Server) -> None:
    """S9, G8: pseudonyms in the story, the tables and the pictures, except one's own name, which is escaped."""
    people = populate(server.store, race_toml(joining='how = "open"\nanonymous = true'))
    with server.store.work() as session:
        team_by_number(session, race_by_slug(session, "small").id, 1).name = HOSTILE
    play(server.store, people)
    set_clock(server.store, AFTER_ROUND)
    for person, own, other in ((people.ada, HOSTILE, "Team 2"), (people.cleo, "Garlic", "Team 1")):
        browser = Browser(app).sign_in(person)
        pages = [browser.get(f"{RACE}/rounds/1"), browser.get(f"{RACE}/teams/1"), browser.get(f"{RACE}/leaderboard")]
        texts = [text_of(page) for page in pages] + [browser.get(path).get_data(as_text=True) for path in PICTURES]
        assert f"{own} (yours)" in texts[0]
        assert other in texts[0]
        hidden = "Garlic" if person is people.ada else "onclick"
        assert not any(hidden in text for text in texts)
        assert not any("<b onclick" in page.get_data(as_text=True) for page in pages)


def test_a_report_shows_the_lines_and_how_to_mend_them(app: Flask, server: Server, people: People) -> None:
    """S9: what the file says is shown, marked and escaped."""
    ada = Browser(app).sign_in(people.ada)
    public_id = send(server.store, people.ada, "small", "defence", b"faulty")
    lines = (Excerpt(1234, "1,4,", "<i>0", ",3.9"), Excerpt(1300, "1,", "", ",0,1"), Excerpt(1301, "", "", ""))
    sizes = Problem("trace.size-zero", "Line 1 234, column direction_size: found <i>0.", 1234, "direction_size", 7,
                    (1300, 1301), excerpts=lines)  # fmt: skip
    missing = Problem("trace.classes-missing", "No traces for cell 3.", hint="Look for it.")
    shifted = Problem("trace.absolute-times", "Times were shifted.")
    set_state(server.store, "small", public_id, "rejected", Report((sizes, missing), (shifted,)))
    response = ada.get(f"{RACE}/submissions/{public_id}")
    text = text_of(response)
    assert "2 kinds of problem. srs check ( where to get it ) tells the same" in text
    assert "When they are mended there may be more" in text
    assert "A packet's size is 0 8 lines" in text
    assert "and 5 more lines" in text
    assert "How to mend it: A size is the whole number of bytes" in text
    assert "Cells have no traces 1 cell No traces for cell 3. Look for it. How to mend it: Every cell needs" in text
    assert "Times were shifted to start at 0 1 trace" in text
    marks = [str(mark) for mark in soup(response).select("mark")]
    assert marks == ["<mark>&lt;i&gt;0</mark>", "<mark>(empty)</mark>"]
    assert "(an empty line)" in text
    assert [heading.name for heading in soup(response).select("h1, h2, h3")] == ["h1", "h2", "h3", "h3", "h2", "h3"]


def test_a_defence_is_told_against_undefended_traffic(app: Flask, server: Server, people: People) -> None:
    public_id = accept(server.store, people.slug, people.ada, 1_319_492, is_drawn=False)
    ada, dana = (Browser(app).sign_in(person) for person in (people.ada, people.dana))
    text = text_of(ada.get(f"{RACE}/submissions/{public_id}"))
    assert "Your defence carries 2.9 times the bytes of undefended traffic (both directions together)." in text
    assert "A trace lasts about as long as without a defence." in text
    assert "undefended traffic has 5.73" in text
    assert "This defence carries 2.9 times" in text_of(dana.get(f"{RACE}/submissions/{public_id}"))


def test_the_class_is_not_told_while_others_defend(app: Flask, server: Server, people: People) -> None:
    """G8: whatever others upload, the report of a defence stays the same until the leaderboard shows theirs."""
    store, slug = server.store, people.slug
    public_id = accept(store, slug, people.ada, 400_000, is_drawn=False)
    path = f"{RACE}/submissions/{public_id}"
    ada = Browser(app).sign_in(people.ada)

    def main_part() -> str:
        return str(soup(ada.get(path)).find("main"))

    before = main_part()
    assert "How the class compares is shown when the defence phase is over" in before
    rivals = [people.cleo, *others(store, slug, 3)]
    for number, person in enumerate(rivals, start=1):
        accept(store, slug, person, 400_000 * (number + 1), is_drawn=False)
    assert main_part() == before
    draw(store, slug, 1)
    set_clock(store, IN_ATTACK)
    text = text_of(ada.get(path))
    assert "; in round 1 the median team's carries 2.6 times." in text
    assert "The median utility of round 1 is 5.00; yours is in place 1 of 5." in text

    set_clock(store, SECOND_ROUND)
    second = accept(store, slug, people.ada, 450_000, is_drawn=False)
    path = f"{RACE}/submissions/{second}"
    before = main_part()
    assert "in round 1 the median team's carries 2.6 times" in before
    assert "Compared are the teams of round 1: what others do now is shown when this defence phase is over." in before
    assert "yours is in place" not in before
    for person in rivals:
        accept(store, slug, person, 9_000_000, is_drawn=False)
    assert main_part() == before


def test_a_defence_that_does_not_count_has_no_place(app: Flask, server: Server, people: People) -> None:
    """The place of the one that counts is not told on the page of another."""
    store, slug = server.store, people.slug
    first = accept(store, slug, people.ada, 300_000, is_drawn=False)
    counts = accept(store, slug, people.ada, 400_000, is_drawn=False)
    for person in [people.cleo, *others(store, slug, 3)]:
        accept(store, slug, person, 800_000, is_drawn=False)
    draw(store, slug, 1)
    with store.work() as session:
        submission = submission_by_public_id(session, race_by_slug(session, slug).id, first)
        session.query(DefenceScore).filter_by(submission_id=submission.id).one().is_drawn = False
    set_clock(store, IN_ATTACK)
    ada = Browser(app).sign_in(people.ada)
    assert "yours is in place 1 of 5" in text_of(ada.get(f"{RACE}/submissions/{counts}"))
    text = text_of(ada.get(f"{RACE}/submissions/{first}"))
    assert "The median utility of round 1 is 5.00." in text
    assert "yours is in place" not in text


@pytest.mark.parametrize(("count", "is_told"), [(2, False), (3, True)])
def test_a_class_has_at_least_three_others(
    app: Flask, server: Server, people: People, count: int, is_told: bool
) -> None:
    """G8: the median of fewer would tell the numbers of one team."""
    store, slug = server.store, people.slug
    public_id = accept(store, slug, people.ada, 400_000, is_drawn=False)
    for person in others(store, slug, count):
        accept(store, slug, person, 800_000, is_drawn=False)
    draw(store, slug, 1)
    set_clock(store, IN_ATTACK)
    text = text_of(Browser(app).sign_in(people.ada).get(f"{RACE}/submissions/{public_id}"))
    assert ("in round 1 the median team's carries" in text) == is_told
    assert ("Fewer than 3 other teams have an accepted defence in round 1" in text) == (not is_told)


def test_the_standing_of_the_race_is_told_once(
    app: Flask, server: Server, people: People, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the last finished round in one sentence below it; beside a later round it is a table.

    On the race's home there are the first teams and one's own.
    """
    set_clock(server.store, AFTER_ROUND)
    ada = Browser(app).sign_in(people.ada)
    response = ada.get(f"{RACE}/leaderboard")
    page = soup(response)
    assert [caption.get_text() for caption in page.select("table.ranking caption")] == ["Round 1, final"]
    assert "This is also the standing of the race: that of its last finished round." in text_of(response)
    assert [str(one["id"]) for one in page.select("figure")] == ["figure-defences", "figure-class"]
    assert BASE_URL not in str(page.find("main"))
    monkeypatch.setattr(race_pages, "PODIUM", 1)
    home = text_of(ada.get(RACE))
    assert "Standing of the race It is that of its last finished round. 1 Garlic 54.74 2 Onions (yours) 45.62" in home
    assert "Onions" not in text_of(Browser(app).sign_in(people.cleo).get(RACE))
    draw(server.store, people.slug, 2)
    set_clock(server.store, SECOND_ROUND + PHASE + PAUSE)
    page = soup(ada.get(f"{RACE}/leaderboard"))
    captions = [caption.get_text() for caption in page.select("table.ranking caption")]
    assert captions == ["Round 2, provisional", "It is that of its last finished round"]


def test_where_rounds_are_combined_the_standing_is_a_table_as_soon_as_it_differs(app: Flask, server: Server) -> None:
    people = populate(server.store, race_toml(tables='[scoring]\nover_rounds = "mean"'))
    play(server.store, people)
    set_clock(server.store, AFTER_ROUND)
    ada = Browser(app).sign_in(people.ada)
    mean = "the mean of each team's totals over the finished rounds, a round without one counting 0"
    assert f"This is also the standing of the race: {mean}." in text_of(ada.get(f"{RACE}/leaderboard"))
    draw(server.store, people.slug, 2)
    set_clock(server.store, SECOND_ROUND + 3 * PHASE)
    captions = [one.get_text() for one in soup(ada.get(f"{RACE}/leaderboard")).select("table.ranking caption")]
    assert captions == ["Round 2, final", f"It is {mean}"]

"""Who comes, goes or sends something later moves no round that is drawn: its pages stay the same to the byte."""

from __future__ import annotations

import datetime as dt

import pytest
from flask import Flask

from fixtures.clients import Browser, soup, text_of
from srs.game.race import RaceRules
from srs.server.bootstrap import Server
from srs.server.cli.export import to_csv
from srs.server.services import teams
from srs.server.services.standings import RoundStandings, Standing, overall_standings, race_standings, round_standings
from srs.server.store.engine import Store
from srs.server.store.matches import Match
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import Round, round_by_number
from srs.server.store.teams import Membership, Team, team_by_number
from worlds.played_round import play
from worlds.small_race import AFTER_ROUND, IN_ATTACK, STARTS_AT, People, populate, race_toml, set_clock
from worlds.traffic import RULES

RACE = "/races/small"
PAGES = (f"{RACE}/rounds/1", f"{RACE}/leaderboard", f"{RACE}/teams/1", f"{RACE}/teams/2")
PICTURES = (f"{RACE}/rounds/1/defences.svg", f"{RACE}/leaderboard/class.svg", f"{RACE}/teams/1/way.svg")


def shown(browser: Browser) -> dict[str, str]:
    """What the pages of the round tell: their main parts, and the pictures."""
    pages = {path: str(soup(browser.get(path)).find("main")) for path in PAGES}
    return pages | {path: browser.get(path).get_data(as_text=True) for path in PICTURES}


def exported(store: Store) -> list[str]:
    """The lines of the export, but for those of round 2, which is not drawn."""
    with store.read() as session:
        lines = to_csv(session, race_by_slug(session, "small")).splitlines()
    return [line for line in lines if not line.startswith("2,")]


def disband(store: Store, number: int) -> None:
    """Let everybody leave a team, as only staff can where it has sent something."""
    with store.work() as session:
        team = team_by_number(session, race_by_slug(session, "small").id, number)
        session.query(Membership).filter_by(team_id=team.id).delete()


@pytest.mark.parametrize("over_rounds", ["last", "mean", "best"])
def test_a_final_round_stays_as_it_is_whoever_comes_and_goes(app: Flask, server: Server, over_rounds: str) -> None:
    store = server.store
    people = populate(store, race_toml(tables=f'[scoring]\nover_rounds = "{over_rounds}"'))
    play(store, people)
    set_clock(store, AFTER_ROUND)
    dana = Browser(app).sign_in(people.dana)
    before, lines = shown(dana), exported(store)
    assert "2 of 2" in before[f"{RACE}/teams/1"]

    teams.create_team(store, people.nils, people.slug, "Lone Wolf")
    assert shown(dana) == before
    nils = Browser(app).sign_in(people.nils)
    assert "Lone Wolf" not in text_of(nils.get(f"{RACE}/rounds/1")).split("How to read it")[0]
    assert "was not in a round whose attack phase has begun" in text_of(nils.get(f"{RACE}/teams/3"))
    teams.leave_team(store, people.nils, people.slug)
    assert shown(dana) == before

    disband(store, 1)
    assert shown(dana) == before
    assert exported(store) == lines


def test_a_round_that_is_being_played_has_those_of_its_draw(app: Flask, server: Server, people: People) -> None:
    """A team made in the attack phase is in the next round; one that nobody is in any more keeps its place."""
    store = server.store
    play(store, people)
    set_clock(store, IN_ATTACK)
    teams.create_team(store, people.nils, people.slug, "Lone Wolf")
    disband(store, 2)
    with store.read() as session:
        race = race_by_slug(session, people.slug)
        first, second = (round_by_number(session, race.id, number) for number in (1, 2))
        assert [row.team.name for row in round_standings(session, race, first)] == ["Garlic", "Onions"]
        assert [row.team.name for row in round_standings(session, race, second)] == ["Onions", "Lone Wolf"]
        assert race_standings(session, race) == []


def test_an_attacker_whose_only_match_became_void_was_in_the_round(server: Server, people: People) -> None:
    store = server.store
    play(store, people)
    with store.work() as session:
        race = race_by_slug(session, people.slug)
        late = Team(race_id=race.id, number=3, name="No defence", created_at=STARTS_AT)
        session.add(late)
        session.flush()
        like = session.query(Match).first()
        assert like is not None
        session.add(
            Match(
                race_id=race.id, round_id=like.round_id, attacker_id=late.id, defender_id=like.defender_id,
                defence_id=like.defence_id, order_seed=bytes(32), first_capture=9, void_at=IN_ATTACK,
            )
        )  # fmt: skip
    set_clock(store, AFTER_ROUND)
    with store.read() as session:
        race = race_by_slug(session, people.slug)
        rows = round_standings(session, race, round_by_number(session, race.id, 1))
    assert [(row.team.name, row.total is None) for row in rows][-1] == ("No defence", True)


def team(number: int) -> Team:
    return Team(id=number, race_id=1, number=number, name=f"Team {number}", created_at=STARTS_AT)


def final(number: int, totals: dict[int, float | None]) -> RoundStandings:
    rows = tuple(Standing(1, team(which), 5.0, 5.0, total) for which, total in totals.items())
    at = STARTS_AT + number * dt.timedelta(days=4)
    return RoundStandings(Round(id=number, race_id=1, number=number, defence_opens_at=at), is_final=True, rows=rows)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("last", [(1, 3, 30.0), (2, 2, 20.0), (3, 1, None)]),
        ("mean", [(1, 1, 20.0), (2, 2, 15.0), (2, 3, 15.0)]),
        ("best", [(1, 1, 40.0), (2, 3, 30.0), (3, 2, 20.0)]),
    ],
)
def test_who_missed_a_round_is_in_the_standing_of_the_race(
    how: str, expected: list[tuple[int, int, float | None]]
) -> None:
    """Team 1 is not in the last round, team 3 not in the first: both rounds count, and a missed one has no total."""
    rules = RaceRules.model_validate({**RULES.model_dump(), "scoring": {"over_rounds": how}})
    rows = overall_standings(rules, [final(1, {1: 40.0, 2: 10.0}), final(2, {2: 20.0, 3: 30.0})])
    assert [(row.rank, row.team.number, row.total) for row in rows] == expected
    assert {row.team.number: row.utility for row in rows}[1] is None


def test_a_round_that_nobody_defended_keeps_those_there_were(app: Flask, server: Server, people: People) -> None:
    store = server.store
    with store.work() as session:
        drawn = round_by_number(session, race_by_slug(session, people.slug).id, 1)
        drawn.drawn_at = drawn.published_at = drawn.defence_closes_at
    set_clock(store, AFTER_ROUND)
    teams.leave_team(store, people.cleo, people.slug)
    teams.create_team(store, people.nils, people.slug, "Lone Wolf")
    page = Browser(app).sign_in(people.ada).get(f"{RACE}/rounds/1")
    assert "Nobody has a total in round 1: no team had an accepted defence." in text_of(page)
    assert [cell.get_text() for cell in soup(page).select("table.ranking tbody a")] == ["Onions", "Garlic"]

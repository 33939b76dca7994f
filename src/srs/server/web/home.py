"""The front page, and the answer to operators who ask whether we live."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flask import Blueprint, Response, render_template

from srs.server.store import clock
from srs.server.store.engine import Session
from srs.server.store.races import Race, all_races, races_of
from srs.server.store.rounds import rounds_of_races
from srs.server.store.teams import Team, teams_of_person
from srs.server.web.viewer import Timetable, current_person, the_server

pages = Blueprint("home", __name__)


@dataclass(frozen=True)
class RaceCard(Timetable):
    """A race as the list of races shows it."""

    race: Race
    team: Team | None


@pages.get("/")
def index() -> str:
    """What this is, for strangers; one's races, for people."""
    person = current_person()
    with the_server().store.read() as session:
        joined = {race.id for race in races_of(session, person.user_id)} if person else set()
        shown = [race for race in all_races(session) if person is not None or race.visibility == "public"]
        now = clock.now(session)
        cards = _cards(session, now, shown, teams_of_person(session, person.user_id) if person else {})
        return render_template(
            "home.html",
            mine=[card for card in cards if card.race.id in joined],
            now=now,
            others=[card for card in cards if card.race.id not in joined],
        )


def _cards(session: Session, now: dt.datetime, races: list[Race], teams: dict[int, Team]) -> list[RaceCard]:
    rounds = rounds_of_races(session, [race.id for race in races])
    return [RaceCard(race.rules, rounds[race.id], now, race, teams.get(race.id)) for race in races]


@pages.get("/health")
def health() -> Response:
    """200 when the database answers; otherwise ``Unavailable`` (503)."""
    with the_server().store.read() as session:
        clock.now(session)
        all_races(session)
    return Response("ok\n", mimetype="text/plain")

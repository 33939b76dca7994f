"""S20: every staff action writes exactly one line of the audit log; the routes say which actions there are."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from flask import Flask

from fixtures.clients import Browser, text_of
from fixtures.routes import path_to, unsafe_routes, values_of
from srs.server.bootstrap import Server
from srs.server.services import races
from srs.server.store.events import Event
from srs.server.store.jobs import PARKED
from srs.server.store.races import Participation
from srs.server.store.scores import DefenceScore
from srs.traces.report import Problem
from worlds.played_round import Played, send, set_state
from worlds.small_race import STARTS_AT, People, race_toml


@dataclass(frozen=True)
class Done:
    """What an action is sent, what the log calls it (nothing: it changes nothing), and what goes before it."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()


ACTIONS = {
    "staff.fill_in": Done(),
    "staff.preview_race": Done(fields={"toml": race_toml("fresh")}),
    "staff.keep_toml": Done(fields={"toml": race_toml("fresh")}),
    "staff.create_race": Done("race.created", {"toml": race_toml("fresh")}),
    "staff_races.retry": Done("job.retried"),
    "staff_races.reject": Done("job.rejected", {"reason": "It ends every judge."}),
    "staff_races.move": Done(
        "round.moved", {"boundary": "attack_closes_at", "at": "2027-04-15T09:50", "reason": "The network was down."}
    ),
    "staff_races.approve": Done("join.approved"),
    "staff_races.add_to_roster": Done("roster.added", {"emails": "new@example.org"}),
    "staff_races.say_looked_at": Done("signals.looked-at"),
    "staff_races.exclude": Done("team.excluded", {"reason": "Shared labels."}),
    "staff_seeing.begin": Done("seeing.begun"),
    "staff_seeing.end": Done("seeing.ended", before=("staff_seeing.begin",)),
}


def staff_routes(app: Flask) -> set[str]:
    """The unsafe routes of every blueprint of the staff."""
    return {endpoint for endpoint in unsafe_routes(app) if endpoint.split(".")[0].startswith("staff")}


def test_every_action_is_tried(app: Flask) -> None:
    """S20: a new action must say what it writes."""
    assert staff_routes(app) == set(ACTIONS)


@pytest.mark.parametrize("endpoint", ACTIONS)
def test_one_line_for_each_action(app: Flask, server: Server, people: People, played: Played, endpoint: str) -> None:
    """S20: with who did it, in the race where it was done; refused a second time or not, never two for one."""
    job_id = set_state(server.store, "small", send(server.store, people.ada, "small", "attack", b"x"), PARKED)
    values = values_of(people, played, job_id, "no-token")
    _give_work(server, people)
    dana = Browser(app).sign_in(people.dana)
    done = ACTIONS[endpoint]
    for earlier in done.before:
        assert dana.post(path_to(app, earlier, values)).status_code == 303
    known = len(_events(server))
    response = dana.post(path_to(app, endpoint, values), dict(done.fields))
    written = _events(server)[known:]
    assert [one.action for one in written] == ([done.action] if done.action else []), text_of(response)
    if written:
        assert response.status_code == 303
        assert written[0].user_id == people.dana.user_id
        assert written[0].race_id is not None
        assert written[0].reason == done.fields.get("reason", "")
        _end_seeing(dana)
        assert f"did {done.action}" not in text_of(dana.get("/staff/races/small/audit")), "it has words"


def _end_seeing(browser: Browser) -> None:
    """The pages of the staff are away while one sees as a team."""
    browser.post("/staff/races/small/see-as/end")


def _give_work(server: Server, people: People) -> None:
    """Signals to look at, and Nils asks to join again."""
    with server.store.work() as session:
        for score in session.query(DefenceScore):
            score.signals = [Problem("trace.copies", "Copies.").to_json()]
        session.query(Participation).filter_by(user_id=people.nils.user_id).one().approved_at = None


def _events(server: Server) -> list[Event]:
    with server.store.read() as session:
        return list(session.query(Event).order_by(Event.id))


@pytest.mark.parametrize("role", ["ada", "paul"])
def test_who_may_not_writes_no_line(app: Flask, server: Server, people: People, played: Played, role: str) -> None:
    """A refused action is told 403 before anything else about it, and leaves no line."""
    values = values_of(people, played, 1, "no-token")
    browser = Browser(app).sign_in(getattr(people, role))
    known = len(_events(server))
    for endpoint in staff_routes(app):
        assert browser.post(path_to(app, endpoint, values)).status_code == 403, endpoint
    assert len(_events(server)) == known


def test_a_race_is_made_once(app: Flask, server: Server, people: People) -> None:
    """What fails writes nothing."""
    dana = Browser(app).sign_in(people.dana)
    known = len(_events(server))
    assert dana.post("/staff/races/new", {"toml": race_toml(starts_at=STARTS_AT)}).status_code == 422
    assert len(_events(server)) == known
    assert races.create_race(server.store, people.dana, race_toml("other")) == "other"
    assert len(_events(server)) == known + 1

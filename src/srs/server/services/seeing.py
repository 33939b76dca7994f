"""Staff see a race as one of its teams does: read-only, for half an hour, with a line in the audit log."""

from __future__ import annotations

import datetime as dt

from srs.game.access import Action
from srs.server.services.access import Person, require
from srs.server.store import clock, events
from srs.server.store.engine import Session, Store
from srs.server.store.races import Race, race_by_slug
from srs.server.store.teams import Team, team_by_number

LASTS = dt.timedelta(minutes=30)


def begin(store: Store, person: Person, slug: str, number: int) -> tuple[str, str]:
    """Write down that it begins; returns the titles of the race and of the team."""
    with store.work() as session:
        race, team = _seen(session, person, slug, number)
        minutes = int(LASTS.total_seconds() // 60)
        _log(session, "seeing.begun", race, team, person, detail={"minutes_at_most": minutes})
        return race.title, team.name


def end(session: Session, person: Person, slug: str, number: int) -> None:
    """Write down, in a transaction of the caller, that it was ended.

    One that runs out by itself has no such line: it ends when the first one says.
    """
    race, team = _seen(session, person, slug, number)
    _log(session, "seeing.ended", race, team, person)


def _seen(session: Session, person: Person, slug: str, number: int) -> tuple[Race, Team]:
    race = race_by_slug(session, slug)
    require(session, person, race, Action.SEE_AS_TEAM)
    return race, team_by_number(session, race.id, number)


def _log(
    session: Session, action: str, race: Race, team: Team, person: Person, detail: dict[str, object] | None = None
) -> None:
    moment = clock.now(session)
    events.log(
        session, action, f"team {team.number}", moment, race_id=race.id, user_id=person.user_id or None, detail=detail
    )

"""Who asks, how they stand to a race, and whether they may: the only way to ``game.access``'s table."""

from __future__ import annotations

from dataclasses import dataclass

from srs.errors import AccessDenied, NotFound
from srs.game.access import Action, Relation, may
from srs.server.store.engine import Session
from srs.server.store.races import Race, participation
from srs.server.store.teams import Team, team_of


@dataclass(frozen=True)
class Person:
    """A signed-in account."""

    user_id: int
    email: str
    name: str
    is_staff: bool
    sees_as: Team | None = None
    """The team as whose member one of the staff looks at its race; nothing can be done meanwhile."""


OPERATOR = Person(user_id=0, email="", name="operator", is_staff=True)
"""Whoever may start commands on the server's machine; the audit log shows no account for it."""


def relation(session: Session, person: Person | None, race: Race | None, owner: Team | None = None) -> Relation:
    """How a person stands to a race, and to the team that owns what is asked for (``owner``)."""
    if person is None:
        return Relation.STRANGER
    if person.sees_as is not None and race is not None and person.sees_as.race_id == race.id:
        return _in_team(person.sees_as, owner)
    if person.is_staff:
        return Relation.STAFF
    if race is None:
        return Relation.PERSON
    taking_part = participation(session, race.id, person.user_id)
    if taking_part is None or taking_part.approved_at is None:
        return Relation.PERSON
    team = team_of(session, race.id, person.user_id)
    if team is None:
        return Relation.MEMBER
    return _in_team(team, owner)


def _in_team(team: Team, owner: Team | None) -> Relation:
    return Relation.TEAMMATE if owner is None or owner.id == team.id else Relation.OTHER_TEAM


def is_allowed(
    session: Session, person: Person | None, race: Race | None, action: Action, owner: Team | None = None
) -> bool:
    """Whether a person may do it."""
    visibility = race.visibility if race else "members"
    return may(action, relation(session, person, race, owner), visibility)


def require(
    session: Session, person: Person | None, race: Race | None, action: Action, owner: Team | None = None
) -> None:
    """Raise ``AccessDenied`` unless the person may do it; ``NotFound`` where it is another team's own."""
    if is_allowed(session, person, race, action, owner):
        return
    if owner is not None:
        raise NotFound("page.unknown", "There is nothing here for you.")
    hint = "Sign in." if person is None else "If you think it should be, ask the staff of the race."
    if person is not None and person.sees_as is not None:
        hint = "You see this race as a team does. End that, and the pages of the staff are there again."
    raise AccessDenied("access.denied", "This is not open to you.", hint=hint)

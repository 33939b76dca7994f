"""Who is looking, and at which race."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flask import abort, current_app, redirect, request, url_for
from flask_login import current_user

from srs.errors import AccessDenied, NotFound
from srs.game.access import Action, Relation, may
from srs.game.limits import Quota
from srs.game.phases import Phase, attack_window, current_round, phase_at
from srs.game.race import RaceRules
from srs.server.services.access import Person, is_allowed, relation, require
from srs.server.services.submissions import Kind, uploads_left
from srs.server.store import clock
from srs.server.store.engine import Session
from srs.server.store.jobs import PRACTICE
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import Round, rounds_of
from srs.server.store.teams import Team, team_by_number, team_of
from srs.server.web.seeing import current_seeing

if TYPE_CHECKING:
    from srs.server.bootstrap import Server


def the_server() -> Server:
    """The installation that this application serves."""
    server: Server = current_app.extensions["srs"]
    return server


def current_person() -> Person | None:
    """The signed-in account, or ``None``."""
    if not current_user.is_authenticated:
        return None
    return Person(
        user_id=current_user.id, email=current_user.email, name=current_user.name, is_staff=current_user.is_staff
    )


def signed_in() -> Person:
    """The signed-in account; a stranger who looks is sent to the log-in page, one who acts is refused."""
    person = current_person()
    if person is not None:
        return person
    if request.method == "GET":
        abort(redirect(url_for("security.login", next=request.full_path.rstrip("?"))))
    raise AccessDenied("account.sign-in", "Please sign in first.")


@dataclass(frozen=True)
class Timetable:
    """The rounds of one race, at one moment."""

    rules: RaceRules
    rounds: list[Round]
    now: dt.datetime

    @property
    def timezone(self) -> str:
        """The zone in which this race's times are shown."""
        return self.rules.timezone

    @property
    def round(self) -> Round:
        """The round to look at now."""
        current = current_round([one.times() for one in self.rounds], self.now)
        return self.round_of(current.number)

    def round_of(self, number: int) -> Round:
        """The round of a number; ``NotFound`` otherwise."""
        for one in self.rounds:
            if one.number == number:
                return one
        raise NotFound("round.unknown", f"There is no round {number} in this race.")

    def phase(self, of_round: Round) -> Phase:
        """The phase of a round at this moment."""
        return phase_at(of_round.times(), self.now)

    def round_in(self, phase: str) -> Round:
        """The first round that is in this phase, else the round to look at.

        A draw that was late can make the attack phase of one round reach into the defence phase of the next.
        """
        return next((one for one in self.rounds if self.phase(one) == phase), self.round)

    @property
    def also_open(self) -> list[Round]:
        """The rounds beside the one to look at whose defence or attack phase is open, too."""
        is_open = (Phase.DEFENCE, Phase.ATTACK)
        return [one for one in self.rounds if one is not self.round and self.phase(one) in is_open]

    def phase_ends_at(self, of_round: Round) -> dt.datetime | None:
        """When the present phase of a round ends as planned; ``None`` while its end is not a matter of the clock."""
        opens_at, closes_at = attack_window(of_round.times())
        return {
            Phase.BEFORE: of_round.defence_opens_at,
            Phase.DEFENCE: of_round.defence_closes_at,
            Phase.DRAWING: opens_at if opens_at > self.now else None,
            Phase.ATTACK: closes_at,
        }.get(self.phase(of_round))

    def attack_window(self, of_round: Round) -> tuple[dt.datetime, dt.datetime]:
        """When the attack phase of a round opens (at the earliest) and closes."""
        return attack_window(of_round.times())


@dataclass(frozen=True)
class RaceView(Timetable):
    """One race as one person sees it in one request; lives as long as its session."""

    session: Session
    person: Person | None
    race: Race
    team: Team | None
    relation: Relation

    @property
    def slug(self) -> str:
        """The race's name in addresses."""
        return self.race.slug

    def may(self, action: str, owner: Team | None = None) -> bool:
        """Whether the viewer may do something (the name of an ``Action``); for links in templates."""
        if owner is None:
            return may(Action[action], self.relation, self.race.visibility)
        return is_allowed(self.session, self.person, self.race, Action[action], owner)

    def require(self, action: Action, owner: Team | None = None) -> None:
        """Raise ``AccessDenied``, or ``NotFound`` for what belongs to another team."""
        require(self.session, self.person, self.race, action, owner)

    def class_name(self, index: int) -> str:
        """How a class is called: its name if the race gives names, its number otherwise."""
        names = self.rules.classes.names
        return names[index - 1] if names else f"{self.rules.classes.singular} {index}"

    def quota(self, kind: Kind) -> Quota | None:
        """What the viewer's team may still send today; ``None`` for practice, which is not limited."""
        if self.team is None or kind == PRACTICE:
            return None
        return uploads_left(self.session, self.rules, self.team.id, kind, self.now)

    def name_of(self, team: Team) -> str:
        """A team's name as this viewer may see it: a pseudonym in an anonymous race, except one's own."""
        is_own = self.team is not None and self.team.id == team.id
        return team.shown_name(self.rules.joining.anonymous and not is_own and self.relation is not Relation.STAFF)


@contextmanager
def looking_at(slug: str, action: Action) -> Iterator[RaceView]:
    """Open a race for reading, if the viewer may do ``action`` there; a stranger who may not is sent to log in."""
    person = current_person()
    with the_server().store.read() as session:
        race = race_by_slug(session, slug)
        person = _as_seen(session, person, race)
        if person is None and not is_allowed(session, None, race, action):
            signed_in()
        require(session, person, race, action)
        yield RaceView(
            session=session,
            person=person,
            race=race,
            rules=race.rules,
            rounds=rounds_of(session, race.id),
            team=(person.sees_as or team_of(session, race.id, person.user_id)) if person else None,
            relation=relation(session, person, race),
            now=clock.now(session),
        )


def _as_seen(session: Session, person: Person | None, race: Race) -> Person | None:
    """One of the staff who sees this race as a team does, or whoever it was."""
    seeing = current_seeing()
    if seeing is None or person is None or seeing.slug != race.slug:
        return person
    return replace(person, is_staff=False, sees_as=team_by_number(session, race.id, seeing.number))

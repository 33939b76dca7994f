"""Teams: made, joined by consent, left before the lock, excluded by staff."""

from __future__ import annotations

import datetime as dt
import secrets
import unicodedata

from srs.errors import InputError, StateError
from srs.game.access import Action
from srs.server.services import limits, news
from srs.server.services.access import Person, require
from srs.server.services.sign_in import token_hash
from srs.server.store import clock, events, outbox
from srs.server.store.base import HELD
from srs.server.store.engine import Session, Store
from srs.server.store.jobs import PRACTICE
from srs.server.store.matches import matches_involving
from srs.server.store.races import Race, participation, race_by_slug
from srs.server.store.submissions import submissions_of_team
from srs.server.store.teams import Invitation, Membership, Team, invitation, name_is_taken, team_by_number, team_of

NAME_MAX_CHARACTERS = 40
INVITATION_DAYS = 14


def create_team(store: Store, person: Person, slug: str, name: str) -> int:
    """Make a team with the person as its first member; returns its public number."""
    name = _clean_name(name)
    with store.work() as session:
        race = race_by_slug(session, slug, lock=True)
        require(session, person, race, Action.CREATE_TEAM)
        moment = clock.now(session)
        _refuse_after_lock(race, moment)
        _refuse_second_team(session, race, person)
        if name_is_taken(session, race.id, name):
            raise InputError("team.name-taken", f"Another team is called {name!r}; choose another name.")
        race.teams_numbered += 1
        team = Team(race_id=race.id, number=race.teams_numbered, name=name, created_at=moment)
        team.members.append(Membership(race_id=race.id, user_id=person.user_id, joined_at=moment))
        session.add(team)
        return team.number


def _clean_name(name: str) -> str:
    name = " ".join(unicodedata.normalize("NFKC", name).split())
    # Cf holds the invisible characters that make two names look alike; Cc the control characters.
    if any(unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn") for character in name):
        raise InputError("team.name", "The name contains characters that cannot be seen; please leave them out.")
    if not 2 <= len(name) <= NAME_MAX_CHARACTERS:
        raise InputError(
            "team.name", f"A team's name has 2 to {NAME_MAX_CHARACTERS} characters; this one has {len(name)}."
        )
    return name


def _refuse_after_lock(race: Race, moment: dt.datetime) -> None:
    locks_at = race.rules.joining.locks_at
    if locks_at is not None and moment >= locks_at:
        raise StateError(
            "team.locked", f"Teams were locked at {locks_at:%Y-%m-%d %H:%M} UTC.", hint="Staff can still change them."
        )


def _refuse_second_team(session: Session, race: Race, person: Person) -> None:
    team = team_of(session, race.id, person.user_id)
    if team is not None:
        raise StateError("team.one", f"You are in the team {team.name!r} of this race already.", hint="Leave it first.")


def invite(store: Store, person: Person, slug: str, recipient: str = "") -> str:
    """A fresh token for ``/invitations/<token>``: one person may join with it within two weeks.

    ``mail_invitation`` sends the address of that page to the recipient, if there is one. Raises ``TooOften`` after 20
    invitations of a team within a day, and after three to one recipient within an hour.
    """
    token = secrets.token_urlsafe(32)
    with store.work() as session:
        race = race_by_slug(session, slug)
        require(session, person, race, Action.INVITE)
        moment = clock.now(session)
        _refuse_after_lock(race, moment)
        team = _own_team(session, race, person)
        _refuse_full(race, team)
        by_mail = [(limits.mail_by("invitation"), recipient.lower())] if recipient else []
        limits.count(session, (limits.INVITATIONS, str(team.id)), *by_mail)
        session.add(
            Invitation(
                token_hash=token_hash(token),
                team_id=team.id,
                invited_by=person.user_id,
                expires_at=moment + dt.timedelta(days=INVITATION_DAYS),
            )
        )
    return token


def mail_invitation(store: Store, person: Person, email: str, url: str, team_name: str, race_title: str) -> None:
    """Send the link of an invitation to an address, through the outbox."""
    body = (
        f"{person.name} invites you to join the team {team_name} in {race_title}.\n\n"
        f"Open this link to look at the invitation and accept it:\n{url}\n\n"
        "If you do not know what this is about, please ignore this mail.\n"
    )
    with store.work() as session:
        outbox.enqueue(session, f"invitation {token_hash(url)}", email, f"Join {team_name}", body, clock.now(session))


def _own_team(session: Session, race: Race, person: Person) -> Team:
    team = team_of(session, race.id, person.user_id, lock=True)
    if team is None:
        raise StateError("team.none", "You are in no team of this race.", hint="Create one first.")
    refuse_excluded(team)
    return team


def refuse_excluded(team: Team) -> None:
    """Raise ``StateError`` for a team that staff have taken out of the race."""
    if team.excluded_at is not None:
        raise StateError(
            "team.excluded", f"The team {team.name!r} has been excluded from this race.", hint="Ask the staff."
        )


def _refuse_full(race: Race, team: Team) -> None:
    most = race.rules.joining.team_size_max
    if len(team.members) >= most:
        raise StateError("team.full", f"The team {team.name!r} is full: a team has at most {most} members.")


def accept_invitation(store: Store, person: Person, token: str) -> str:
    """Join the team that invited. Returns the race's slug. The person has joined the race before."""
    with store.work() as session:
        offer = _valid_invitation(session, token)
        race = session.get_one(Race, offer.team.race_id, with_for_update=HELD)
        moment = clock.now(session)
        _refuse_after_lock(race, moment)
        _refuse_second_team(session, race, person)
        refuse_excluded(offer.team)
        _refuse_full(race, offer.team)
        if participation(session, race.id, person.user_id) is None:
            raise StateError("team.not-in-race", f"Join the race {race.title!r} first, then open the invitation again.")
        require(session, person, race, Action.ACCEPT_INVITATION)
        offer.used_at = moment
        offer.team.members.append(Membership(race_id=race.id, user_id=person.user_id, joined_at=moment))
        news.about_member(session, race, offer.team, person.user_id, has_joined=True)
        return race.slug


def describe_invitation(store: Store, token: str) -> tuple[str, str, str]:
    """(race title, race slug, team name) of a valid invitation, for the page that asks for consent."""
    with store.read() as session:
        offer = _valid_invitation(session, token, lock=False)
        race = session.get_one(Race, offer.team.race_id)
        return race.title, race.slug, offer.team.name


def _valid_invitation(session: Session, token: str, *, lock: bool = True) -> Invitation:
    offer = invitation(session, token_hash(token), lock=lock)
    if offer.used_at is not None or offer.expires_at <= clock.now(session):
        raise StateError(
            "invitation.spent",
            "This invitation has been used or has expired.",
            hint="Ask your team for a new one.",
        )
    return offer


def leave_team(store: Store, person: Person, slug: str) -> None:
    """Leave one's team before the lock. A team that has submitted something keeps its last member."""
    with store.work() as session:
        race = race_by_slug(session, slug)
        require(session, person, race, Action.LEAVE_TEAM)
        _refuse_after_lock(race, clock.now(session))
        team = _own_team(session, race, person)
        sent = [one for one in submissions_of_team(session, team.id) if one.kind != PRACTICE]
        if len(team.members) == 1 and sent:
            raise StateError(
                "team.last-member", "You are the last member of a team that has submitted; stay, or ask the staff."
            )
        for member in [member for member in team.members if member.user_id == person.user_id]:
            session.delete(member)
        news.about_member(session, race, team, person.user_id, has_joined=False)


def exclude_team(store: Store, person: Person, slug: str, number: int, reason: str) -> None:
    """Take a team out of the race: out of draws and standings, and its matches become void."""
    with store.work() as session:
        race = race_by_slug(session, slug, lock=True)
        require(session, person, race, Action.EXCLUDE_TEAM)
        if not reason.strip():
            raise InputError("team.exclusion-reason", "Say why: the reason is kept in the audit log.")
        team = team_by_number(session, race.id, number)
        if team.excluded_at is not None:
            raise StateError("team.excluded", f"Team {number} is excluded already.")
        moment = clock.now(session)
        team.excluded_at, team.exclusion_reason = moment, reason.strip()[:500]
        for match in matches_involving(session, team.id):
            match.void_at = match.void_at or moment
        news.about_exclusion(session, race, team)
        events.log(
            session,
            "team.excluded",
            f"team {number}",
            moment,
            race_id=race.id,
            user_id=person.user_id or None,
            reason=team.exclusion_reason,
        )

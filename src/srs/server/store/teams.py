"""Teams, who is in them, and invitations."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, selectinload

from srs.errors import NotFound
from srs.server.store.accounts import User
from srs.server.store.base import Base


class Team(Base):
    """A team of one race; ``number`` is its public number there."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("race_id", "number"), UniqueConstraint("race_id", "name"))
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[dt.datetime]
    excluded_at: Mapped[dt.datetime | None]
    exclusion_reason: Mapped[str] = mapped_column(String(500), default="")
    members: Mapped[list[Membership]] = relationship(back_populates="team", order_by="Membership.id")

    def shown_name(self, anonymous: bool) -> str:
        """The name on pages that other teams see."""
        return f"Team {self.number}" if anonymous else self.name


class Membership(Base):
    """A person is in one team of a race."""

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("race_id", "user_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"))
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    joined_at: Mapped[dt.datetime]
    team: Mapped[Team] = relationship(back_populates="members")
    user: Mapped[User] = relationship()


class Invitation(Base):
    """A link that lets one person join a team by consent; only its hash is kept."""

    __tablename__ = "invitation"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    invited_by: Mapped[int] = mapped_column(ForeignKey("user.id"))
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]
    team: Mapped[Team] = relationship()


def team_of(session: Session, race_id: int, user_id: int, *, lock: bool = False) -> Team | None:
    """The team of a person in a race. ``lock`` holds its row, so that a team does one thing at a time."""
    query = select(Team).join(Membership).where(Membership.race_id == race_id, Membership.user_id == user_id)
    return session.scalar(query.with_for_update(of=Team, key_share=True) if lock else query)


def teams_of_person(session: Session, user_id: int) -> dict[int, Team]:
    """The teams of a person: ``{race_id: team}``."""
    teams = session.scalars(select(Team).join(Membership).where(Membership.user_id == user_id))
    return {team.race_id: team for team in teams}


def team_by_number(session: Session, race_id: int, number: int) -> Team:
    """The team of a public number; ``NotFound`` otherwise."""
    team = session.scalar(select(Team).where(Team.race_id == race_id, Team.number == number))
    if team is None:
        raise NotFound("team.unknown", f"There is no team {number} in this race.")
    return team


def teams_of_race(session: Session, race_id: int) -> list[Team]:
    """Every team of a race by number, excluded ones too, with their members."""
    query = select(Team).where(Team.race_id == race_id).options(selectinload(Team.members))
    return list(session.scalars(query.order_by(Team.number)))


def name_is_taken(session: Session, race_id: int, name: str) -> bool:
    """Whether another team of the race has this name, whatever its case."""
    names = session.scalars(select(Team.name).where(Team.race_id == race_id))
    return name.casefold() in (taken.casefold() for taken in names)


def invitation(session: Session, token_hash: str, *, lock: bool) -> Invitation:
    """The invitation of a token's hash; ``NotFound`` otherwise. ``lock`` holds its row, so that it is used once."""
    query = select(Invitation).where(Invitation.token_hash == token_hash)
    found = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if found is None:
        raise NotFound("invitation.unknown", "This invitation does not exist.", hint="Ask your team for a new one.")
    return found

"""Races: their rules as stored, their secrets, and who joined."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.errors import NotFound
from srs.game.race import RaceRules, load_rules
from srs.server.store.accounts import User
from srs.server.store.base import Base


class Race(Base):
    """One race. Everything else belongs to one."""

    __tablename__ = "race"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    visibility: Mapped[str] = mapped_column(String(20))
    toml: Mapped[str] = mapped_column(Text)
    """The file that staff uploaded, as it was."""
    rules_json: Mapped[dict[str, Any]]
    split_secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Decides which traces are test traces; never revealed."""
    capture_key: Mapped[bytes] = mapped_column(LargeBinary)
    """Turns the running number of a test trace into its ``capture_id``; never revealed."""
    captures_given: Mapped[int] = mapped_column(default=0)
    """How many capture ids have been given out in this race."""
    teams_numbered: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[dt.datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    @property
    def rules(self) -> RaceRules:
        """The rules of this race; its rounds' times are those of the ``round`` table, which staff may move."""
        return load_rules(self.rules_json)


class Participation(Base):
    """A person is in a race (or waits for approval, while ``approved_at`` is empty)."""

    __tablename__ = "participation"
    __table_args__ = (UniqueConstraint("race_id", "user_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    joined_at: Mapped[dt.datetime]
    approved_at: Mapped[dt.datetime | None]
    user: Mapped[User] = relationship()


class RosterEntry(Base):
    """An address that may join a race whose ``joining.how`` is ``roster``."""

    __tablename__ = "roster_entry"
    __table_args__ = (UniqueConstraint("race_id", "email"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"))
    email: Mapped[str] = mapped_column(String(255))


def race_by_slug(session: Session, slug: str, *, lock: bool = False) -> Race:
    """The race of an address; ``NotFound`` otherwise. ``lock`` holds its row until the end of the transaction."""
    query = select(Race).where(Race.slug == slug)
    race = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if race is None:
        raise NotFound("race.unknown", "There is no such race.")
    return race


def all_races(session: Session) -> list[Race]:
    """Every race, newest first."""
    return list(session.scalars(select(Race).order_by(Race.created_at.desc(), Race.id.desc())))


def participation(session: Session, race_id: int, user_id: int) -> Participation | None:
    """Whether and since when a person is in a race."""
    return session.scalar(
        select(Participation).where(Participation.race_id == race_id, Participation.user_id == user_id)
    )


def races_of(session: Session, user_id: int) -> list[Race]:
    """The races that a person has joined, newest first."""
    query = select(Race).join(Participation, Participation.race_id == Race.id)
    return list(session.scalars(query.where(Participation.user_id == user_id).order_by(Race.id.desc())))


def is_on_roster(session: Session, race_id: int, email: str) -> bool:
    """Whether an address is on a race's roster."""
    query = select(RosterEntry.id).where(RosterEntry.race_id == race_id, RosterEntry.email == email.lower())
    return session.scalar(query) is not None


def roster(session: Session, race_id: int) -> set[str]:
    """Every address on a race's roster."""
    return set(session.scalars(select(RosterEntry.email).where(RosterEntry.race_id == race_id)))


def waiting_for_approval(session: Session, race_id: int) -> list[Participation]:
    """Who asked to join and has no answer yet, in the order of asking."""
    query = select(Participation).where(Participation.race_id == race_id, Participation.approved_at.is_(None))
    return list(session.scalars(query.options(joinedload(Participation.user)).order_by(Participation.id)))


def entrant_ids(session: Session, race_id: int) -> list[int]:
    """The accounts that take part in a race."""
    query = select(Participation.user_id).where(Participation.race_id == race_id)
    return list(session.scalars(query.where(Participation.approved_at.is_not(None)).order_by(Participation.user_id)))

"""Notices: what each person was told, which kinds they want where, and what was announced by the clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.errors import NotFound
from srs.server.store.base import Base
from srs.server.store.engine import insert_missing
from srs.server.store.races import Race
from srs.server.store.rounds import Round

FINAL = "final"
"""The last announcement of every round."""


class Notice(Base):
    """One thing that one person is told; ``key`` says what caused it, so that nobody is told twice."""

    __tablename__ = "notice"
    __table_args__ = (UniqueConstraint("user_id", "key"), Index("ix_notice_user_read", "user_id", "read_at"))
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    race_id: Mapped[int | None] = mapped_column(ForeignKey("race.id"))
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(String(200))
    """Where it leads: a path on this host."""
    created_at: Mapped[dt.datetime]
    read_at: Mapped[dt.datetime | None]
    race: Mapped[Race | None] = relationship()


class NoticeChoice(Base):
    """What a person has chosen for one kind of notice; without a row the kind's defaults hold."""

    __tablename__ = "notice_choice"
    __table_args__ = (UniqueConstraint("user_id", "kind"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(20))
    in_page: Mapped[bool]
    by_mail: Mapped[bool]


class Announcement(Base):
    """Something about a round that became due by the clock and was told; whoever adds the row tells it."""

    __tablename__ = "announcement"
    __table_args__ = (UniqueConstraint("round_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    key: Mapped[str] = mapped_column(String(80))
    at: Mapped[dt.datetime]


def notices_of(session: Session, user_id: int, limit: int, before_id: int | None = None) -> list[Notice]:
    """A person's notices with their races, newest first; those older than ``before_id`` where it is given."""
    query = select(Notice).where(Notice.user_id == user_id).options(joinedload(Notice.race))
    if before_id is not None:
        query = query.where(Notice.id < before_id)
    return list(session.scalars(query.order_by(Notice.id.desc()).limit(limit)))


def notice_of(session: Session, user_id: int, notice_id: int) -> Notice:
    """One notice of a person; ``NotFound`` otherwise."""
    notice = session.scalar(select(Notice).where(Notice.id == notice_id, Notice.user_id == user_id))
    if notice is None:
        raise NotFound("notice.unknown", "There is no such notice.")
    return notice


def count_unread(session: Session, user_id: int) -> int:
    """How many notices a person has not read yet."""
    query = select(func.count()).select_from(Notice)
    return session.scalar(query.where(Notice.user_id == user_id, Notice.read_at.is_(None))) or 0


def mark_all_read(session: Session, user_id: int, at: dt.datetime) -> None:
    """Mark every notice that a person has now."""
    unread = update(Notice).where(Notice.user_id == user_id, Notice.read_at.is_(None))
    session.execute(unread.values(read_at=at).execution_options(synchronize_session=False))


def choices_of(session: Session, user_ids: Collection[int]) -> dict[tuple[int, str], NoticeChoice]:
    """What people have chosen: ``{(user_id, kind): choice}``."""
    query = select(NoticeChoice).where(NoticeChoice.user_id.in_(user_ids))
    return {(choice.user_id, choice.kind): choice for choice in session.scalars(query)}


def claim_announcement(session: Session, round_id: int, key: str, at: dt.datetime) -> bool:
    """Add the row of an announcement; ``False`` when somebody else has, and tells it."""
    fresh = insert_missing(session, Announcement).values(round_id=round_id, key=key, at=at)
    return session.scalar(fresh.returning(Announcement.id)) is not None


def unfinished_rounds(session: Session, now: dt.datetime) -> list[Round]:
    """Rounds that have begun and whose end has not been announced."""
    ended = select(Announcement.id).where(Announcement.round_id == Round.id, Announcement.key == FINAL)
    query = select(Round).where(Round.defence_opens_at <= now, ~ended.exists())
    return list(session.scalars(query.order_by(Round.id)))


def announced(session: Session, round_ids: Collection[int]) -> set[tuple[int, str]]:
    """What was announced of some rounds: ``(round_id, key)``."""
    query = select(Announcement.round_id, Announcement.key).where(Announcement.round_id.in_(round_ids))
    return {(round_id, key) for round_id, key in session.execute(query)}

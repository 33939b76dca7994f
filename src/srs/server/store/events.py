"""The audit log: who changed what, when and why."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, String, Text, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from srs.server.store.accounts import User
from srs.server.store.base import Base


class Event(Base):
    """One line of the audit log; never changed."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int | None] = mapped_column(ForeignKey("race.id"), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    """Who; empty when the system did it by the clock."""
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[dict[str, Any] | None]
    at: Mapped[dt.datetime]
    user: Mapped[User | None] = relationship()


def log(
    session: Session,
    action: str,
    subject: str,
    at: dt.datetime,
    *,
    race_id: int | None = None,
    user_id: int | None = None,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Add one line, in the transaction of the change itself."""
    session.add(
        Event(race_id=race_id, user_id=user_id, action=action, subject=subject, reason=reason, detail=detail, at=at)
    )


def events_of_race(session: Session, race_id: int, limit: int = 500) -> list[Event]:
    """The newest lines of a race's audit log."""
    query = select(Event).where(Event.race_id == race_id).options(joinedload(Event.user))
    return list(session.scalars(query.order_by(Event.id.desc()).limit(limit)))

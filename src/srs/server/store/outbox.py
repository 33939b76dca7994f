"""Mail that is to be sent, written in the transaction that causes it, sent once after the commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import String, Text, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from srs.server.store.base import Base
from srs.server.store.engine import insert_missing
from srs.server.store.jobs import changes_one


class OutboxMail(Base):
    """One mail; ``unique_key`` says what caused it, so that the same cause sends one."""

    __tablename__ = "outbox_mail"
    id: Mapped[int] = mapped_column(primary_key=True)
    unique_key: Mapped[str] = mapped_column(String(120), unique=True)
    recipient: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[dt.datetime]
    """Not before this moment: a lease while it is being sent, a pause after a failure."""
    sent_at: Mapped[dt.datetime | None]
    notice_path: Mapped[str | None] = mapped_column(String(200))
    """Where the notice leads of which this mail is the echo; none for a mail that nobody can switch off."""


def enqueue(session: Session, unique_key: str, recipient: str, subject: str, body: str, at: dt.datetime) -> None:
    """Add a mail, unless its key is there already."""
    if session.scalar(select(OutboxMail.id).where(OutboxMail.unique_key == unique_key)) is None:
        session.add(
            OutboxMail(
                unique_key=unique_key, recipient=recipient, subject=subject, body=body, created_at=at, next_at=at
            )
        )
        session.flush()


def enqueue_echoes(session: Session, mails: Sequence[dict[str, Any]]) -> None:
    """Add the mails of notices at once, but those whose key is there already; columns with defaults may be absent."""
    if mails:
        session.execute(insert_missing(session, OutboxMail), mails)


def claim_mail(session: Session, now: dt.datetime, lease_s: float) -> OutboxMail | None:
    """Take the oldest due mail for ``lease_s`` seconds, or ``None``.

    The echoes of notices, a class's worth of them at once, come after the mails that somebody waits for.
    """
    is_due = (OutboxMail.sent_at.is_(None), OutboxMail.next_at <= now)
    in_order = (OutboxMail.notice_path.is_not(None), OutboxMail.id)
    mail_id = session.scalar(select(OutboxMail.id).where(*is_due).order_by(*in_order).limit(1))
    if mail_id is None:
        return None
    taken = (
        update(OutboxMail)
        .where(OutboxMail.id == mail_id, *is_due)
        .values(next_at=now + dt.timedelta(seconds=lease_s), attempts=OutboxMail.attempts + 1)
    )
    return session.get(OutboxMail, mail_id, populate_existing=True) if changes_one(session, taken) else None
